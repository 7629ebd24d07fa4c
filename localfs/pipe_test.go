package localfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// ends are the two ends of something that bytes go through.
func ends(t *testing.T, socket bool) (r, w *os.File) {
	t.Helper()
	if !socket {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(r.Close(), w.Close()) })
		return r, w
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() { _ = errors.Join(r.Close(), w.Close()) })
	return r, w
}

func pipeOf(t *testing.T, f *os.File, write bool) *Pipe {
	t.Helper()
	p, err := OpenPipe(f, write)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestAPipeCarriesAllAndEnds(t *testing.T) {
	for _, socket := range []bool{false, true} {
		rf, wf := ends(t, socket)
		r, w := pipeOf(t, rf, false), pipeOf(t, wf, true)
		data := make([]byte, 3<<20)
		for i := range data {
			data[i] = byte(i * 7)
		}
		done := make(chan error, 1)
		go func() {
			n, err := w.Write(t.Context(), data)
			if err == nil && n != len(data) {
				err = io.ErrShortWrite
			}
			done <- errors.Join(err, w.Close(), wf.Close())
		}()
		var got bytes.Buffer
		buf := make([]byte, 70_000)
		for {
			n, err := r.Read(t.Context(), buf)
			got.Write(buf[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := <-done; err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("socket %v: %v, %d bytes", socket, err, got.Len())
		}
	}
}

// A reader that does not read and a writer that does not write can be left.
func TestWhoeverWaitsForAPipeIsCalledBack(t *testing.T) {
	for _, socket := range []bool{false, true} {
		rf, wf := ends(t, socket)
		r, w := pipeOf(t, rf, false), pipeOf(t, wf, true)
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		read := make(chan error, 1)
		go func() {
			_, err := r.Read(ctx, make([]byte, 10))
			read <- err
		}()
		cancel(why)
		if err := <-read; !errors.Is(err, why) {
			t.Errorf("socket %v: read: %v", socket, err)
		}
		ctx, cancel = context.WithCancelCause(t.Context())
		wrote := make(chan error, 1)
		count := 0
		go func() {
			n, err := w.Write(ctx, make([]byte, 8<<20)) // more than any pipe holds
			count = n
			wrote <- err
		}()
		if _, err := rf.Read(make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		cancel(why)
		if err := <-wrote; !errors.Is(err, why) {
			t.Errorf("socket %v: write: %v", socket, err)
		}
		if err := errors.Join(w.Close(), wf.Close()); err != nil {
			t.Fatal(err)
		}
		// What it says that it has written has come.
		if rest, err := io.ReadAll(rf); err != nil || len(rest)+1 != count {
			t.Errorf("socket %v: %d bytes have come of %d: %v", socket, len(rest)+1, count, err)
		}
	}
}

func TestAPipeWithoutAReader(t *testing.T) {
	rf, wf := ends(t, false)
	w := pipeOf(t, wf, true)
	if err := rf.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(t.Context(), []byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("its reader has gone: %v", err)
	}
	late := pipeOf(t, wf, true) // it can't be opened anew any more
	if _, err := late.Write(t.Context(), []byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("its reader had gone: %v", err)
	}
}

// What is appended to a file is appended: it is the caller's own.
func TestAFileInAPipesPlace(t *testing.T) {
	path := t.TempDir() + "/f"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("before "); err != nil {
		t.Fatal(err)
	}
	if n, err := pipeOf(t, f, true).Write(t.Context(), []byte("after")); n != 5 || err != nil {
		t.Error(n, err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "before after" {
		t.Errorf("%q %v", b, err)
	}
}

func TestAStreamIsThereOnce(t *testing.T) {
	rf, wf := ends(t, false)
	s, err := OpenStream(rf, "stdin", Meta{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.Next()
	if err != nil || !e.Stream || e.Kind != KindFile || s.Path(e) != "stdin" || len(s.Name()) != 32 || bytes.Equal(s.Name(), s.Name()) {
		t.Errorf("%+v %v", e, err)
	}
	if _, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("more: %v", err)
	}
	_, openErr := s.Open(e)
	_, statErr := s.Restat(e)
	for what, err := range map[string]error{"rewind": s.Rewind(), "open": openErr, "read": s.ReadFile(e, nil), "stat": statErr} {
		if !errors.Is(err, errOnce) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := wf.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}
