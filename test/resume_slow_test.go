//go:build slow

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Half a large file is gone on from at once: no byte of it is read before, on either
// side, however long its journal is.
func TestAHalfDoneFileIsGoneOnFromWithinASecond(t *testing.T) {
	for name, f := range map[string]struct {
		size, every int64 // a page of data at the begin of each so many bytes; 0: all is data
	}{"4 GiB of bytes": {4 << 30, 0}, "20 GiB with a hole in each MiB": {20 << 30, 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			room(t, 10<<30)
			src := filepath.Join(folder(t, root()), "large")
			holed(t, src, f.size, f.every)
			srv := serve(t, root(), folder(t, root()))
			records := f.size >> 20 // of the journal: one for a MiB, or two for a page and a hole
			c := srv.client(t, root(), src, "")
			eventually(t, "more than half has arrived", func() bool { return noted(t, srv.dir) > records*5/8 || c.ended() })
			c.signal(t, unix.SIGKILL)
			c.wait(t)
			idle := counted(t, srv.cmd.Process.Pid, "rchar")
			begin := time.Now()
			c = srv.client(t, root(), src, "")
			eventually(t, "new bytes come", func() bool { return counted(t, srv.cmd.Process.Pid, "rchar") > idle+4<<20 || c.ended() })
			took := time.Since(begin)
			if code := c.wait(t); code != 0 || !contains(c.out.String(), "already there of half files") {
				t.Fatalf("exit code %d: %s %s", code, c.out.String(), c.err.String())
			}
			t.Logf("first new bytes after %v, all after %v; %s", took, time.Since(begin), strings.ReplaceAll(c.out.String(), "\n", "; "))
			if took > time.Second {
				t.Errorf("the first new bytes came after %v", took)
			}
			identical(t, src, filepath.Join(srv.dir, "large"))
			nothingHidden(t, srv.dir)
			srv.stop(t)
		})
	}
}

// noted is how many ranges the journal in dir tells of.
func noted(t *testing.T, dir string) int64 {
	t.Helper()
	for _, path := range hidden(t, dir) {
		if st, err := os.Stat(path); err == nil && strings.HasSuffix(path, ".journal") {
			return st.Size() / 32
		}
	}
	return 0
}

// counted reads a number of proc_pid_io(5).
func counted(t *testing.T, pid int, what string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	must(t, err)
	_, rest, ok := strings.Cut(string(text), what+": ")
	if !ok {
		t.Fatalf("no %s", what)
	}
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	must(t, err)
	return n
}

// holed makes a file.
func holed(t *testing.T, path string, size, every int64) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(size))
	if every == 0 {
		for off := int64(0); off < size; off += 64 << 20 {
			_, err := f.WriteAt(bytesOf(uint64(off>>26), 64<<20), off)
			must(t, err)
		}
	}
	for off := int64(0); every > 0 && off < size; off += every {
		_, err := f.WriteAt(bytesOf(uint64(off>>20), 4096), off)
		must(t, err)
	}
	must(t, f.Close())
	then := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, then, then))
}

// identical compares two large files, piece by piece.
func identical(t *testing.T, a, b string) {
	t.Helper()
	r := run(t, root(), "cmp", a, b)
	if r.code != 0 {
		t.Errorf("they differ: %s%s", r.out, r.err)
	}
}
