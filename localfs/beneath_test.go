package localfs

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// bothWays runs a test with the system's way of looking paths up, and with walkBeneath.
func bothWays(t *testing.T, test func(t *testing.T, walks bool)) {
	t.Run("as the system does", func(t *testing.T) { test(t, false) })
	t.Run("walking", func(t *testing.T) { test(t, true) })
}

// lookUp is the inode that a path leads to below a root, and what went wrong.
func lookUp(t *testing.T, r *Root, path string) (FileID, error) {
	t.Helper()
	fd, err := r.openBeneath(path)
	if err != nil {
		return FileID{}, err
	}
	defer closeQuietly(fd)
	var st unix.Stat_t
	must(t, fstat(fd, &st))
	return fileID(&st), nil
}

// A tree of links that lead up, down, out and round, and paths through it, at random: where
// one way leads, the other does.
func TestAWalkLeadsWhereTheKernelLeads(t *testing.T) {
	const seeds, paths = 20, 400
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := filepath.Join(t.TempDir(), "root")
		tree(t, rng, dir, 3)
		for _, host := range []bool{false, true} {
			r, err := OpenRoot(dir, false)
			must(t, err)
			r.host = host
			for range paths {
				path := someWay(rng, 5)
				r.walks = false
				want, wantErr := lookUp(t, r, path)
				r.walks = true
				got, err := lookUp(t, r, path)
				if got != want || !errors.Is(err, wantErr) {
					t.Errorf("seed %d, host %v, %q: %v (%v), the kernel says %v (%v)", seed, host, path, got, err, want, wantErr)
				}
				if err == nil {
					samePath(t, r, path)
				}
			}
			must(t, r.Close())
		}
	}
}

// samePath compares the paths without links that both ways find, as inodes: of the host's root
// the other way knows only the real one.
func samePath(t *testing.T, r *Root, path string) {
	t.Helper()
	names, err := r.realBeneath(path)
	must(t, err)
	want, err := lookUp(t, r, path)
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Lstat(filepath.Join(r.path, filepath.Join(names...)), &st))
	if fileID(&st) != want {
		t.Errorf("%q is said to be %q, which is another directory", path, names)
	}
}

// tree makes a directory with files, directories and links in it.
func tree(t *testing.T, rng *rand.Rand, dir string, depth int) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	for _, name := range []string{"a", "b", "c", "d"} {
		path := filepath.Join(dir, name)
		switch n := rng.IntN(8); {
		case n < 4 && depth > 0:
			tree(t, rng, path, depth-1)
		case n < 7:
			must(t, os.Symlink(someWay(rng, 4), path))
		default:
			must(t, os.WriteFile(path, nil, 0o644))
		}
	}
}

// someWay is a path of names of tree.
func someWay(rng *rand.Rand, most int) string {
	words := []string{"a", "b", "c", "d", "a", "b", "..", ".", "", "no"}
	var names []string
	for range 1 + rng.IntN(most) {
		names = append(names, words[rng.IntN(len(words))])
	}
	path := strings.Join(names, "/")
	if path == "" {
		return "."
	}
	return path
}

// Somebody moves a directory out of the root while a path goes down into it and up again.
func TestADirectoryThatMovesAwayLeadsNobodyOutside(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"root/a/b/c/": "", "root/want/": "", "want/": "", "outside/want/": "", "root/down": "-> a/b/c/../../../want"})
	in, out := filepath.Join(dir, "root/a/b"), filepath.Join(dir, "outside/b")
	r, err := OpenRoot(filepath.Join(dir, "root"), false)
	must(t, err)
	defer r.Close()
	r.walks = true
	want, err := lookUp(t, r, "want")
	must(t, err)
	stop := make(chan struct{})
	var mover sync.WaitGroup
	mover.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Rename(in, out)
				_ = unix.Rename(out, in)
			}
		}
	})
	found, lost := 0, 0
	for range 5000 {
		switch id, err := lookUp(t, r, "down"); {
		case err != nil:
			lost++
		case id == want:
			found++
		default:
			t.Fatalf("it led to %v", id)
		}
	}
	close(stop)
	mover.Wait()
	if found == 0 || lost == 0 {
		t.Errorf("%d times found, %d refused: the move was not met", found, lost)
	}
}

// What links a client made could have a server do for one path has a bound.
func TestALongWayUpAndDownEnds(t *testing.T) {
	r, err := OpenRoot(t.TempDir(), false)
	must(t, err)
	defer r.Close()
	deep := strings.Repeat("d/", 400)
	must(t, os.MkdirAll(filepath.Join(r.path, deep), 0o755))
	must(t, os.Symlink(strings.Repeat("../d/", 100)+"again", filepath.Join(r.path, deep, "again")))
	before := openFDs()
	if _, _, err := walkBeneath(r.fd, deep+"again", false); err != unix.ELOOP {
		t.Errorf("it ended with %v", err)
	}
	fd, names, err := walkBeneath(r.fd, deep+"../.", false)
	must(t, err)
	closeQuietly(fd)
	if len(names) != 399 {
		t.Errorf("%d names", len(names))
	}
	if n := openFDs(); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}
