package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"scp_rdma/sums"
)

// reportFile is --report: it has its name only when all of it is written.
type reportFile struct {
	name string // "-": stdout
	out  io.Writer
	f    *os.File
	w    *bufio.Writer
	err  error
}

// openReport makes the file before anything is copied: that it can't be written is known then.
func openReport(name string, stdout io.Writer) (*reportFile, error) {
	temp := name + "." + rand.Text()[:8] + ".part"
	if name == stdoutName {
		f, err := os.CreateTemp("", ".scp_rdma.*.report")
		if err != nil {
			return nil, fmt.Errorf("--report: %w", err)
		}
		// The name goes at once; the space goes with the descriptor.
		if err := os.Remove(f.Name()); err != nil {
			return nil, errors.Join(fmt.Errorf("--report: %w", err), f.Close())
		}
		return &reportFile{name: name, out: stdout, f: f, w: bufio.NewWriter(f)}, nil
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return &reportFile{name: name, f: f, w: bufio.NewWriter(f)}, nil
}

// begin forgets what was written.
func (r *reportFile) begin() {
	r.w.Reset(r.f)
	_, err := r.f.Seek(0, io.SeekStart)
	r.err = errors.Join(err, r.f.Truncate(0))
}

// add writes a line. Its error is told by done.
func (r *reportFile) add(path string, digest []byte) {
	if r.err == nil {
		_, r.err = r.w.WriteString(sums.Format(digest, path))
	}
}

// done gives the file its name, or prints it.
func (r *reportFile) done() error {
	err := errors.Join(r.err, r.w.Flush())
	if err == nil && r.out != nil {
		if _, err = r.f.Seek(0, io.SeekStart); err == nil {
			_, err = io.Copy(r.out, r.f)
		}
	}
	if err == nil && r.out == nil {
		err = r.f.Sync()
	}
	err = errors.Join(err, r.f.Close())
	if r.out == nil {
		if err == nil {
			err = os.Rename(r.f.Name(), r.name)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(r.f.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("--report %s: %w", r.name, err)
	}
	return nil
}

// drop leaves nothing of it.
func (r *reportFile) drop() {
	_ = r.f.Close() // nobody will read it
	if r.out == nil {
		_ = os.Remove(r.f.Name()) // should it stay, its name says what it is
	}
}
