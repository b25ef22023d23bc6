package servertest

import (
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(silent{}) // it fails for nil only
	code := postgrestest.Main(m)
	if mariaDB != nil {
		mariaDB.remove()
	}
	os.Exit(code)
}
