package keys_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/keys"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func master(t testing.TB, ks ...[]byte) *keys.Sealer {
	t.Helper()
	m, err := keys.NewSealer(ks...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMasterSealsAndOpens(t *testing.T) {
	t.Parallel()
	old, both, fresh := master(t, key(1)), master(t, key(2), key(1)), master(t, key(2))
	sealed, err := old.Seal("p", "row", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	byNew, err := both.Seal("p", "row", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	tests := []struct {
		name           string
		m              *keys.Sealer
		purpose, place string
		sealed         []byte
		want           error
	}{
		{"the same key", old, "p", "row", sealed, nil},
		{"a new key in front of the old one", both, "p", "row", sealed, nil},
		{"the first key seals", fresh, "p", "row", byNew, nil},
		{"a master key that is gone", fresh, "p", "row", sealed, keys.ErrMasterKey},
		{"moved to another row", old, "p", "other", sealed, keys.ErrTampered},
		{"used for another purpose", old, "q", "row", sealed, keys.ErrTampered},
		{"a flipped bit", old, "p", "row", flipped, keys.ErrTampered},
		{"cut short", old, "p", "row", sealed[:20], keys.ErrTampered},
		{"empty", old, "p", "row", nil, keys.ErrTampered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plain, err := tt.m.Open(tt.purpose, tt.place, tt.sealed)
			if !errors.Is(err, tt.want) || (err == nil) != (string(plain) == "plain") {
				t.Errorf("Open = %q, %v; want %v", plain, err, tt.want)
			}
		})
	}
	if both.Current(sealed) || !both.Current(byNew) || both.Current(nil) {
		t.Error("Current does not tell which master key sealed a value")
	}
}

func TestMasterDerivesPerPurposeAndKey(t *testing.T) {
	t.Parallel()
	m := master(t, key(2), key(1))
	a, b, older := m.Derive("a"), m.Derive("b"), master(t, key(1)).Derive("a")
	if len(a) != 2 || bytes.Equal(a[0], b[0]) || bytes.Equal(a[0], a[1]) || !bytes.Equal(a[1], older[0]) {
		t.Error("derived keys are not one per purpose and master key, in order")
	}
}

func TestMasterKeyNeverBecomesText(t *testing.T) {
	t.Parallel()
	m := master(t, []byte(strings.Repeat("PLANTED", 6)))
	for _, text := range []string{fmt.Sprint(m), fmt.Sprintf("%v %+v %#v %s", m, m, m, m)} {
		if strings.Contains(text, "PLANTED") || strings.Contains(text, "504c") || strings.Contains(text, "80, 76") {
			t.Errorf("the master key is printed: %s", text)
		}
	}
	text := base64.StdEncoding.EncodeToString(key(7))
	for _, bad := range []string{text + "\n!!" + text, text[:12], text + "," + text, "", "# only a comment"} {
		_, err := keys.ParseMasterKey(bad)
		if err == nil || strings.Contains(err.Error(), text[:12]) {
			t.Errorf("ParseMaster error = %v, want one without the key", err)
		}
	}
}

func TestParseMasterTakesEveryWayOfWritingBase64(t *testing.T) {
	t.Parallel()
	k := bytes.Repeat([]byte{0xfb, 0xff}, 17)
	want := master(t, k).IDs()[0]
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(k), base64.URLEncoding.EncodeToString(k), base64.RawStdEncoding.EncodeToString(k),
		"# note\r\n\r\n" + base64.RawURLEncoding.EncodeToString(k) + "\r\n",
	} {
		m, err := keys.ParseMasterKey(text)
		if err != nil || m.IDs()[0] != want {
			t.Errorf("ParseMaster = %v, %v", m, err)
		}
	}
	m, err := keys.ParseMasterKey(base64.StdEncoding.EncodeToString(key(1)) + ", " +
		base64.StdEncoding.EncodeToString(key(2)))
	if err != nil || len(m.IDs()) != 2 {
		t.Errorf("two keys in one line: %v, %v", m, err)
	}
}

func TestMasterFileIsMadeOncePrivately(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weigate.key")
	if _, err := keys.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Load without a file: %v", err)
	}
	var wg sync.WaitGroup
	ids, made := make([]string, 8), make([]bool, 8)
	for i := range ids {
		wg.Go(func() {
			m, created, err := keys.LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i], made[i] = m.IDs()[0], created
		})
	}
	wg.Wait()
	count := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Error("processes that started together have different master keys")
		}
		if made[i] {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d processes say that they made the file, want 1", count)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".weigate-key-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMasterKeyOfOtherUsersIsRejected lets other users read or change the file.
func TestMasterKeyOfOtherUsersIsRejected(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weigate.key")
	if _, _, err := keys.LoadOrCreate(path); err != nil {
		t.Fatal(err)
	}
	command := map[error]string{filemode.ErrReadable: ": chmod o-rwx ", filemode.ErrWritable: ": chmod go-w "}
	for mode, want := range map[os.FileMode]error{
		0o600: nil, 0o640: nil, 0o644: filemode.ErrReadable, 0o660: filemode.ErrWritable, 0o602: filemode.ErrWritable,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Load(path)
		if !errors.Is(err, want) || err != nil && !strings.HasSuffix(err.Error(), command[want]+path) {
			t.Errorf("mode %v: got %v, want %v", mode, err, want)
		}
	}
}

func TestMasterFileThatIsNotOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "words": "this is not a key",
		"large": strings.Repeat("A", 70<<10)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, created, err := keys.LoadOrCreate(path); err == nil || created || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: created %v, err %v; want an error that names the file", name, created, err)
		}
	}
	if _, _, err := keys.LoadOrCreate(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("no error for a missing folder")
	}
}
