//go:build !linux

package transport

import "golang.org/x/sys/unix"

// hugePages and joinedPages are pages as they come: how large they are is not for a program to say.
func hugePages(n int) ([]byte, error) { return joinedPages(n) }

func joinedPages(n int) ([]byte, error) { return unix.Mmap(-1, 0, n, slabProt, slabFlags) }
