package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// getTermios asks a terminal how it is set.
const getTermios = unix.TCGETS

// inMemory is a file with a text, to be read from its beginning, on no disk.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("papers", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "papers")
	_, err = f.Write(text)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return f, err
}
