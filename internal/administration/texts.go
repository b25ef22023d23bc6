package administration

import (
	"embed"

	"github.com/weigate/weigate/internal/lang"
)

//go:embed files
var files embed.FS

// catalogue has the texts for the details of events, for settings, for failures of requests, and
// for advice about problems.
var catalogue = lang.MustLoad(files, "files")
