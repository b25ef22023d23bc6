package push

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// This file reads WeChat's XML. WeChat puts the text that a person wrote into a CDATA section and
// does not escape "]]>" in it. The text can therefore end the section and add elements. Decoding
// into a struct would take the last of two elements with one name: the text could name another
// sender.

var (
	errNotMessage = errors.New("the document is not a message of WeChat")
	errDuplicate  = errors.New("the document has an element twice: somebody may have forged the message")
)

const (
	maxElements = 64 // of a document; messages have up to 12
	maxDepth    = 8  // some events have lists
)

// readFields returns the elements directly below the root, by name. An element that contains
// elements has no text. A second element with one name is an error.
func readFields(document []byte) (map[string]string, error) {
	d := xml.NewDecoder(bytes.NewReader(clean(document)))
	if err := readRoot(d); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for range maxElements {
		start, err := nextElement(d)
		if err != nil {
			return nil, err
		}
		if start == nil {
			return fields, readEnd(d)
		}
		if _, duplicate := fields[start.Name.Local]; duplicate {
			return nil, errDuplicate
		}
		text, err := readText(d)
		if err != nil {
			return nil, err
		}
		fields[start.Name.Local] = text
	}
	return nil, errNotMessage
}

// clean removes characters that people can write and XML does not allow: control characters, U+FFFE
// and U+FFFF. It also removes byte order marks, and replaces malformed UTF-8 by U+FFFD.
func clean(document []byte) []byte {
	return bytes.Map(func(c rune) rune {
		switch {
		case c == '\t' || c == '\n' || c == '\r':
			return c
		case c < 0x20 || c == 0xFFFE || c == 0xFFFF || c == 0xFEFF:
			return -1
		}
		return c
	}, bytes.ToValidUTF8(document, []byte("\uFFFD")))
}

// readRoot reads up to the start of the element xml.
func readRoot(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if err != nil {
			return errNotMessage
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local != "xml" {
				return errNotMessage
			}
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return errNotMessage
			}
		case xml.ProcInst, xml.Comment:
		default: // a document type, which could declare entities
			return errNotMessage
		}
	}
}

// nextElement returns the next element of the root, or nil at the end of the root.
func nextElement(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, errNotMessage
		}
		switch token := token.(type) {
		case xml.StartElement:
			return &token, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return nil, errNotMessage
			}
		case xml.Comment:
		default:
			return nil, errNotMessage
		}
	}
}

// readText returns the text of the element that has begun, and reads its end.
func readText(d *xml.Decoder) (string, error) {
	var text strings.Builder
	nested := false
	for depth := 1; depth > 0; {
		token, err := d.Token()
		if err != nil {
			return "", errNotMessage
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			nested = true
			if depth > maxDepth {
				return "", errNotMessage
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			text.Write(token)
		}
	}
	if nested {
		return "", nil
	}
	return text.String(), nil
}

// readEnd reads what follows the root: nothing but white space and comments.
func readEnd(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errNotMessage
		}
		switch token := token.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return errNotMessage
			}
		case xml.Comment:
		default:
			return errNotMessage
		}
	}
}
