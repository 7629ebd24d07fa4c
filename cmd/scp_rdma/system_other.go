//go:build !linux

package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// getTermios asks a terminal how it is set.
const getTermios = unix.TIOCGETA

// inMemory is a file with a text, to be read from its beginning, that has no name any more.
func inMemory(text []byte) (*os.File, error) {
	f, err := os.CreateTemp("", ".scp_rdma.*.papers")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return f, errors.Join(err, os.Remove(f.Name()))
}
