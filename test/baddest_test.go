package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a small tmpfs that any user may write to.
func mount(t *testing.T, dir, options string, flags uintptr) {
	t.Helper()
	must(t, unix.Mount("none", dir, "tmpfs", flags, options))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestADestinationThatIsNotWritableIsNamed(t *testing.T) {
	closed := folder(t, root())
	mkdir(t, filepath.Join(closed, "open-to-read"))
	srv := serve(t, nobody(), closed)
	file := filepath.Join(folder(t, nobody()), "file")
	write(t, file, []byte("x"))
	for _, to := range []string{"", "new/", "open-to-read/", "name"} {
		r := srv.send(t, nobody(), file, to)
		if r.code != 1 && r.code != 3 {
			t.Errorf("to %q: exit code %d", to, r.code)
		}
		r.says(t, "permission denied")
	}
	absent(t, filepath.Join(closed, "file"))
	nothingHidden(t, closed)
	srv.stop(t)
}

func TestAServerWhoseDirectoryCannotBeMadeSaysWhy(t *testing.T) {
	closed := folder(t, root())
	r := run(t, nobody(), setting.bin, "-s", "-o", filepath.Join(closed, "new"), "-p", "0")
	r.wants(t, 1)
	r.says(t, filepath.Join(closed, "new"), "permission denied")
	file := filepath.Join(closed, "file")
	write(t, file, nil)
	r = run(t, root(), setting.bin, "-s", "-o", file, "-p", "0")
	r.wants(t, 1)
	r.says(t, file, "not a directory")
}

func TestAReadOnlyDestinationIsNamedEvenForRoot(t *testing.T) {
	dir := folder(t, root())
	mount(t, dir, "mode=0777", unix.MS_RDONLY)
	srv := serve(t, root(), dir)
	file := filepath.Join(folder(t, root()), "file")
	write(t, file, []byte("x"))
	r := srv.send(t, root(), file, "")
	if r.code != 1 && r.code != 3 {
		t.Errorf("exit code %d", r.code)
	}
	r.says(t, "read-only file system")
	srv.stop(t)
}

func TestWhenTheDestinationIsFullNothingHalfMadeIsLeftAndTheServerServesOn(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		dir := folder(t, w)
		mount(t, dir, "mode=0777,size=4m", 0)
		srv := serve(t, w, dir)
		src := folder(t, w)
		write(t, filepath.Join(src, "large"), bytesOf(1, 16<<20))
		r := srv.send(t, w, filepath.Join(src, "large"), "")
		if r.code != 1 && r.code != 3 {
			t.Errorf("exit code %d", r.code)
		}
		r.says(t, "large", "no space left on device")
		absent(t, filepath.Join(dir, "large"))
		srv.stillServes(t)
		srv.stop(t)
	})
}

func TestADirectoryWhereAFileBelongsStaysAndTheOthersArrive(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src, dst := filepath.Join(folder(t, w), "tree"), folder(t, w)
		mkdir(t, src)
		for _, name := range []string{"a", "x", "z"} {
			write(t, filepath.Join(src, name), []byte(name))
		}
		mkdir(t, filepath.Join(dst, "tree"))
		write(t, filepath.Join(mkdir(t, filepath.Join(dst, "tree/x")), "kept"), []byte("kept"))
		srv := serve(t, w, dst)
		r := srv.send(t, w, src, "")
		r.wants(t, 3)
		r.says(t, "tree/x", "directory")
		arrived(t, filepath.Join(dst, "tree/x/kept"), []byte("kept"))
		arrived(t, filepath.Join(dst, "tree/a"), []byte("a"))
		arrived(t, filepath.Join(dst, "tree/z"), []byte("z"))
		srv.send(t, w, "-T", filepath.Join(src, "a"), "tree/x").wants(t, 3)
		arrived(t, filepath.Join(dst, "tree/x/kept"), []byte("kept"))
		srv.stillServes(t)
	})
}

func TestAFileWhereADirectoryBelongsStaysAndTheOthersArrive(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src, dst := filepath.Join(folder(t, w), "tree"), folder(t, w)
		mkdir(t, src)
		write(t, filepath.Join(src, "a"), []byte("a"))
		write(t, filepath.Join(mkdir(t, filepath.Join(src, "x")), "inside"), []byte("inside"))
		write(t, filepath.Join(src, "z"), []byte("z"))
		mkdir(t, filepath.Join(dst, "tree"))
		write(t, filepath.Join(dst, "tree/x"), []byte("kept"))
		srv := serve(t, w, dst)
		r := srv.send(t, w, src, "")
		r.wants(t, 3)
		r.says(t, "tree/x")
		arrived(t, filepath.Join(dst, "tree/x"), []byte("kept"))
		arrived(t, filepath.Join(dst, "tree/a"), []byte("a"))
		arrived(t, filepath.Join(dst, "tree/z"), []byte("z"))
		r = srv.send(t, w, filepath.Join(src, "a"), "tree/x/y/")
		if r.code != 1 && r.code != 2 && r.code != 3 {
			t.Errorf("exit code %d", r.code)
		}
		r.says(t, "tree/x")
		srv.stillServes(t)
	})
}

func TestASymlinkInTheDestinationIsNeverFollowed(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src, dst, outside := filepath.Join(folder(t, w), "tree"), folder(t, w), folder(t, w)
		mkdir(t, src)
		write(t, filepath.Join(src, "f"), []byte("new"))
		write(t, filepath.Join(mkdir(t, filepath.Join(src, "d")), "g"), []byte("new"))
		write(t, filepath.Join(outside, "f"), []byte("old"))
		mkdir(t, filepath.Join(dst, "tree"))
		must(t, os.Symlink(filepath.Join(outside, "f"), filepath.Join(dst, "tree/f")))
		must(t, os.Symlink(outside, filepath.Join(dst, "tree/d")))
		must(t, os.Symlink(outside, filepath.Join(dst, "way-out")))
		srv := serve(t, w, dst)
		r := srv.send(t, w, src, "")
		r.wants(t, 3)
		r.says(t, "tree/d")
		arrived(t, filepath.Join(outside, "f"), []byte("old"))
		arrived(t, filepath.Join(dst, "tree/f"), []byte("new"))
		absent(t, filepath.Join(outside, "g"))
		if r := srv.send(t, w, filepath.Join(src, "f"), "way-out/"); r.code == 0 {
			t.Error("a symlink in the path led out of the server's directory")
		}
		if r := srv.send(t, w, filepath.Join(src, "f"), "../"); r.code != 2 {
			t.Errorf("a path with ..: exit code %d", r.code)
		}
		arrived(t, filepath.Join(outside, "f"), []byte("old"))
		srv.stillServes(t)
	})
}

func TestExistingFilesAreReplaced(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		srv := serve(t, w, folder(t, w))
		src := filepath.Join(folder(t, w), "f")
		for _, text := range []string{"first", "second, and longer", "3"} {
			write(t, src, []byte(text))
			srv.send(t, w, src, "").wants(t, 0)
			arrived(t, filepath.Join(srv.dir, "f"), []byte(text))
		}
		nothingHidden(t, srv.dir)
	})
}
