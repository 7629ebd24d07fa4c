package sums

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Line is a line of a list.
type Line struct {
	Name   string
	Digest []byte // 16 bytes of XXH3 (xxh128sum), or 32 of SHA-256
}

// The lengths of digests, bytes.
const (
	SizeXXH128 = 16
	SizeSHA256 = 32
)

// MaxLine bounds a line, bytes: a path of 1 MiB, each byte of it escaped.
const MaxLine = 2<<20 + 256

var (
	// ErrLine: a line is none of a list of checksums.
	ErrLine = errors.New("no line of checksums")
	// ErrLong: a line is longer than MaxLine. Nothing behind it can be read.
	ErrLong = errors.New("a line of more than 2 MiB")
)

// Format is the line for a file, with its end. Names that would not fit on a line are
// escaped, which a backslash at its begin says.
func Format(digest []byte, name string) string {
	mark := ""
	if strings.ContainsAny(name, "\\\n\r") {
		mark = `\`
		name = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	}
	return mark + hex.EncodeToString(digest) + "  " + name + "\n"
}

// Parse reads a line without its end, in the format of Format or with the name of the digest
// before it (--tag). false: it is empty, or a comment. Errors Are ErrLine.
func Parse(text string) (l Line, ok bool, err error) {
	text = strings.TrimSuffix(text, "\r")
	if text == "" || text[0] == '#' {
		return Line{}, false, nil
	}
	rest, escaped := strings.CutPrefix(text, `\`)
	var digits string
	var size int
	if l.Name, digits, size = tagged(rest); size == 0 {
		var found bool
		if digits, l.Name, found = strings.Cut(rest, " "); !found || l.Name == "" || l.Name[0] != ' ' && l.Name[0] != '*' {
			return Line{}, false, fmt.Errorf("it is neither DIGITS NAME nor ALGORITHM (NAME) = DIGITS: %w", ErrLine)
		}
		l.Name = l.Name[1:] // blank or *: text and binary, which are one
	}
	if l.Digest, err = hex.DecodeString(digits); err != nil || size > 0 && len(l.Digest) != size || len(l.Digest) != SizeXXH128 && len(l.Digest) != SizeSHA256 {
		return Line{}, false, fmt.Errorf("a checksum has %d digits (xxh128) or %d (sha256): %w", 2*SizeXXH128, 2*SizeSHA256, ErrLine)
	}
	if escaped {
		if l.Name, err = unescape(l.Name); err != nil {
			return Line{}, false, err
		}
	}
	if l.Name == "" || strings.IndexByte(l.Name, 0) >= 0 {
		return Line{}, false, fmt.Errorf("it names no file: %w", ErrLine)
	}
	return l, true, nil
}

// tagged reads "ALGORITHM (NAME) = DIGITS"; size 0: it is no such line.
func tagged(text string) (name, digits string, size int) {
	for tag, n := range map[string]int{"XXH128 (": SizeXXH128, "SHA256 (": SizeSHA256} {
		rest, ok := strings.CutPrefix(text, tag)
		end := strings.LastIndex(rest, ") = ")
		if ok && end >= 0 {
			return rest[:end], rest[end+len(") = "):], n
		}
	}
	return "", "", 0
}

func unescape(name string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '\\' {
			if i++; i == len(name) {
				return "", fmt.Errorf("a backslash at the end of a name: %w", ErrLine)
			}
			switch name[i] {
			case '\\':
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			default:
				return "", fmt.Errorf("a backslash before something else than n, r or a backslash: %w", ErrLine)
			}
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// Reader reads a list.
type Reader struct {
	in *bufio.Reader
	n  int
}

// NewReader reads a list from in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(in, 64<<10)} }

// Number is that of the line that was read last, from 1.
func (r *Reader) Number() int { return r.n }

// Next reads the next line that means something. An error that Is ErrLine is about that line
// alone; io.EOF: there are no more.
func (r *Reader) Next() (Line, error) {
	for {
		text, err := r.line()
		if err != nil {
			return Line{}, err
		}
		if l, ok, err := Parse(text); ok || err != nil {
			return l, err
		}
	}
}

func (r *Reader) line() (string, error) {
	r.n++
	var b []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if len(b)+len(part) > MaxLine {
			return "", ErrLong
		}
		b = append(b, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil:
			return string(b[:len(b)-1]), nil
		case errors.Is(err, io.EOF) && len(b) > 0:
			return string(b), nil
		default:
			return "", err
		}
	}
}
