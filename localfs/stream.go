package localfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
)

// Stream is a source of one file whose bytes come from a pipe: its size is known at its end,
// and nothing of it can be read a second time. Next and Read are for one goroutine each.
type Stream struct {
	pipe *Pipe
	e    *Entry
	met  bool
}

// OpenStream takes what comes from f as one file, of that name for people.
func OpenStream(f *os.File, name string, m Meta) (*Stream, error) {
	p, err := OpenPipe(f, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Stream{pipe: p, e: &Entry{ID: 1, Kind: KindFile, Name: name, Meta: m, Stream: true}}, nil
}

// Next gives the one entry.
func (s *Stream) Next() (*Entry, error) {
	if s.met {
		return nil, io.EOF
	}
	s.met = true
	return s.e, nil
}

// Read waits for the next bytes; io.EOF at the end.
func (s *Stream) Read(ctx context.Context, p []byte) (int, error) {
	n, err := s.pipe.Read(ctx, p)
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		err = fmt.Errorf("read %s: %w", s.e.Name, err)
	}
	return n, err
}

// errOnce: a stream is not there a second time.
var errOnce = errors.New("what was read of it can't be read again")

// Rewind fails.
func (s *Stream) Rewind() error { return fmt.Errorf("%s: %w", s.e.Name, errOnce) }

// Open fails: there is no range to be read.
func (s *Stream) Open(*Entry) (SourceFile, error) { return nil, errOnce }

// ReadFile fails.
func (s *Stream) ReadFile(*Entry, []byte) error { return errOnce }

// Restat fails.
func (s *Stream) Restat(*Entry) (*Entry, error) { return nil, errOnce }

// Path is the name for people.
func (s *Stream) Path(e *Entry) string { return e.Name }

// Below is that too.
func (s *Stream) Below(e *Entry) string { return e.Name }

// Identity has no directory.
func (s *Stream) Identity() (bootID []byte, dirs []FileID) { return BootID(), nil }

// Name is another for each: no two streams are the same.
func (s *Stream) Name() []byte {
	b := make([]byte, 32)
	rand.Read(b) // crypto/rand never fails (Go 1.24)
	return b
}

// Close ends what OpenStream began.
func (s *Stream) Close() error { return s.pipe.Close() }
