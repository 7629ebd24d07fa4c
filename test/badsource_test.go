package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAMissingSourceIsNamedAndTheOthersArrive(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src := folder(t, w)
		write(t, filepath.Join(src, "here"), []byte("here"))
		srv := serve(t, w, folder(t, w))
		missing := filepath.Join(src, "not-here")
		r := srv.send(t, w, missing, filepath.Join(src, "here"), "in/")
		r.wants(t, 3)
		r.says(t, missing, "no such file or directory")
		arrived(t, filepath.Join(srv.dir, "in/here"), []byte("here"))
		srv.stop(t)
	})
}

func TestWithNoSourceLeftTheClientFailsAndMakesNothing(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		srv := serve(t, w, folder(t, w))
		r := srv.send(t, w, "/nowhere/at/all", "in/")
		r.wants(t, 1)
		r.says(t, "/nowhere/at/all", "no such file or directory")
		absent(t, filepath.Join(srv.dir, "in"))
		srv.stillServes(t)
	})
}

func TestUnreadableFilesAndDirectoriesAreNamedAndTheOthersArrive(t *testing.T) {
	src := filepath.Join(folder(t, nobody()), "tree")
	mkdir(t, src)
	mkdir(t, filepath.Join(src, "closed"))
	for _, name := range []string{"a", "closed/inside", "odd\n\x1b[31mname", "secret", "z"} {
		write(t, filepath.Join(src, name), []byte(name))
	}
	for _, name := range []string{"closed", "odd\n\x1b[31mname", "secret"} {
		must(t, os.Chmod(filepath.Join(src, name), 0))
		must(t, os.Chown(filepath.Join(src, name), 0, 0))
	}
	srv := serve(t, nobody(), folder(t, nobody()))
	r := srv.send(t, nobody(), src, "")
	r.wants(t, 3)
	r.says(t, "tree/secret", "tree/closed", `odd\n\x1b[31mname`, "permission denied")
	for _, name := range []string{"a", "z"} {
		arrived(t, filepath.Join(srv.dir, "tree", name), []byte(name))
	}
	for _, name := range []string{"secret", "closed/inside", "odd\n\x1b[31mname"} {
		absent(t, filepath.Join(srv.dir, "tree", name))
	}
	srv.stillServes(t)
}

func TestRootReadsWhatOthersMayNot(t *testing.T) {
	src := filepath.Join(folder(t, nobody()), "tree")
	mkdir(t, src)
	write(t, filepath.Join(src, "secret"), []byte("secret"))
	must(t, os.Chmod(filepath.Join(src, "secret"), 0))
	srv := serve(t, root(), folder(t, root()))
	srv.send(t, root(), src, "").wants(t, 0)
	arrived(t, filepath.Join(srv.dir, "tree/secret"), []byte("secret"))
}

func TestFifosSocketsAndDevicesAreLeftOutWithAWord(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src := filepath.Join(folder(t, w), "tree")
		mkdir(t, src)
		must(t, unix.Mkfifo(filepath.Join(src, "fifo"), 0o644))
		must(t, unix.Mknod(filepath.Join(src, "device"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
		must(t, unix.Mknod(filepath.Join(src, "socket"), unix.S_IFSOCK|0o644, 0))
		write(t, filepath.Join(src, "file"), []byte("file"))
		srv := serve(t, w, folder(t, w))
		r := srv.send(t, w, src, "")
		if r.code != 0 && r.code != 3 {
			t.Errorf("exit code %d: %s", r.code, r.err)
		}
		for _, name := range []string{"fifo", "device", "socket"} {
			if !strings.Contains(r.out+r.err, name) {
				t.Errorf("not a word on the %s\nstdout: %s\nstderr: %s", name, r.out, r.err)
			}
			absent(t, filepath.Join(srv.dir, "tree", name))
		}
		arrived(t, filepath.Join(srv.dir, "tree/file"), []byte("file"))
		srv.stop(t)
	})
}

func TestATreeThatContainsItselfEndsInAClearErrorWhenLinksAreFollowed(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src := filepath.Join(folder(t, w), "tree")
		mkdir(t, src)
		write(t, filepath.Join(src, "file"), []byte("file"))
		must(t, os.Symlink("..", filepath.Join(mkdir(t, filepath.Join(src, "sub")), "up")))
		srv := serve(t, w, folder(t, w))
		r := srv.send(t, w, "-L", src, "")
		r.wants(t, 3)
		r.says(t, "tree/sub/up")
		arrived(t, filepath.Join(srv.dir, "tree/file"), []byte("file"))
		absent(t, filepath.Join(srv.dir, "tree/sub/up/sub"))
		srv.stop(t)
	})
}

func TestADestinationInsideItsOwnSourceIsRefused(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		src := filepath.Join(folder(t, w), "tree")
		mkdir(t, src)
		write(t, filepath.Join(src, "file"), []byte("file"))
		in := mkdir(t, filepath.Join(src, "in"))
		srv := serve(t, w, in)
		for _, args := range [][]string{{src, ""}, {src, "deeper/still/"}, {src + "/.", ""}} {
			r := srv.send(t, w, args...)
			if r.code != 1 && r.code != 2 {
				t.Errorf("exit code %d", r.code)
			}
			r.says(t, "inside")
		}
		absent(t, filepath.Join(in, "tree"))
		absent(t, filepath.Join(in, "file"))
		srv.stop(t)
	})
}

func TestSourcesWithEqualNamesAreAUsageErrorBeforeAnythingIsSent(t *testing.T) {
	eachUser(t, func(t *testing.T, w who) {
		a, b := filepath.Join(folder(t, w), "same"), filepath.Join(folder(t, w), "same")
		write(t, a, []byte("a"))
		write(t, b, []byte("b"))
		srv := serve(t, w, folder(t, w))
		r := srv.send(t, w, a, b, "in/")
		r.wants(t, 2)
		r.says(t, "same")
		absent(t, filepath.Join(srv.dir, "in"))
	})
}
