package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// toolchain copies the regular files of the Go toolchain; a smaller scale takes
// every so manieth of them. Names that are not ASCII (there is one) are left
// out: globus-url-copy drops such bytes from names, which would leave it
// without a figure here.
func (m *maker) toolchain(ctx context.Context) {
	goroot, err := output(ctx, "", "go", "env", "GOROOT")
	if err != nil {
		m.err = err
		return
	}
	seen := 0
	err = filepath.WalkDir(goroot, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !ascii(d.Name()) {
			return err
		}
		seen++
		if seen > 1 && m.scale < 1 && m.scale.of(int64(seen)) == m.scale.of(int64(seen-1)) {
			return ctx.Err()
		}
		rel, err := filepath.Rel(goroot, path)
		if err != nil {
			return err
		}
		return m.copied(path, rel)
	})
	if m.err == nil {
		m.err = err
	}
}

// ascii says whether a name has no other bytes.
func ascii(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
}

// copied makes a file with the bytes of another.
func (m *maker) copied(from, rel string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	f := m.create(rel)
	if f != nil {
		n, err := io.Copy(f, in)
		if m.err == nil {
			m.err = err
		}
		m.done(f, n)
	}
	_ = in.Close() // read only: nothing can be lost
	return m.err
}

// output runs a command for what it prints, without blanks around it.
func output(ctx context.Context, dir string, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, text)
	}
	return text, nil
}
