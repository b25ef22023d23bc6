package filemode

import "github.com/weigate/weigate/internal/lang"

// FolderError is the error of [CheckFolder]: a folder belongs to another user, or other users can
// write to it.
type FolderError struct {
	Path        string
	IsWritable  bool // other users can write to the folder; otherwise it belongs to another user
	IsShared    bool // it is a folder for all users, such as /tmp, whose mode must stay
	IsOwn       bool // the user of this process may change its mode
	Owner, User int  // if the folder belongs to another user: who, and the user of this process
}

func (e *FolderError) message() error {
	if e.IsWritable {
		return lang.Errorf("other users of this machine can write to the folder %s", e.Path)
	}
	return lang.Errorf("%s belongs to the user %d, not to the user %d, who runs this, or to root",
		e.Path, e.Owner, e.User)
}

func (e *FolderError) Error() string { return e.message().Error() }

// Localize returns the message in the language of the formats.
func (e *FolderError) Localize(texts lang.Formats) string { return texts.Error(e.message()) }
