package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Many says what ManyFiles makes: each number is a total.
type Many struct {
	Files int // empty and tiny ones in turn, 1000 to a directory
	Links int // hard links, each beside a file of its own, 1000 pairs to a directory
	Dirs  int // empty directories, 1000 to a directory
}

// ManyFiles makes a tree of very many small entries in dir, on all CPUs. Equal
// arguments give equal names and bytes; times are those of the making.
func ManyFiles(dir string, m Many) error {
	const perDir = 1000
	var eg errgroup.Group
	eg.SetLimit(2 * runtime.NumCPU())
	batch := func(kind string, total int, fill func(fd, i int) error) {
		for first := 0; first < total; first += perDir {
			eg.Go(func() error {
				name := filepath.Join(dir, fmt.Sprintf("%s%05d", kind, first/perDir))
				return inDir(name, func(fd int) error {
					for i := first; i < min(first+perDir, total); i++ {
						if err := fill(fd, i); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
	}
	batch("files", m.Files, tiny)
	batch("dirs", m.Dirs, func(fd, i int) error { return unix.Mkdirat(fd, fmt.Sprintf("dir%07d", i), 0o755) })
	// Each link lies beside its file: so the batches need not wait for each other.
	batch("links", m.Links, func(fd, i int) error {
		if err := tiny(fd, i); err != nil {
			return err
		}
		return unix.Linkat(fd, fmt.Sprintf("file%07d", i), fd, fmt.Sprintf("link%07d", i), 0)
	})
	if err := eg.Wait(); err != nil {
		return fmt.Errorf("many files in %s: %w", dir, err)
	}
	return nil
}

// inDir makes a directory with its parents and hands it open to fill.
func inDir(name string, fill func(fd int) error) error {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return err
	}
	fd, err := openAt(unix.AT_FDCWD, name, dirFlags, 0)
	if err != nil {
		return err
	}
	err = fill(fd)
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	return err
}

// tiny makes one file: every other one is empty, the rest have a few bytes.
func tiny(fd, i int) error {
	f, err := openAt(fd, fmt.Sprintf("file%07d", i), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if i%2 == 1 {
		_, err = unix.Write(f, fmt.Appendf(nil, "file number %d\n", i))
	}
	if cerr := unix.Close(f); err == nil {
		err = cerr
	}
	return err
}
