// Threads shows what each thread of a process may do after it was confined: whether it can
// write in the directory that is left to it, read and write elsewhere, who it is, and
// whether it is so with the very same credentials as the others.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/confine"
)

const threads = 16

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4] == "anew"); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run(inside, outside, user string, anew bool) error {
	left, err := confine.Left()
	if err != nil {
		return err
	}
	unnamed := -1 // made by one thread, for all to name
	if left == nil {
		if !anew { // the threads are there first
			return look(inside, outside, func() error { return confined(inside, user) }, &unnamed)
		}
		f, err := os.Open(outside)
		if err == nil {
			err = confined(inside, user)
		}
		if err == nil {
			err = confine.Anew(os.Environ(), f)
		}
		return err
	}
	if b := make([]byte, 8); len(left) != 1 || must(left[0].Read(b)) != 4 || string(b[:4]) != "left" {
		return fmt.Errorf("left is %q in %v", b, left)
	}
	return look(inside, outside, func() error { return nil }, &unnamed)
}

func must(n int, err error) int {
	if err != nil {
		return -1
	}
	return n
}

func confined(inside, user string) error {
	if user != "" {
		u, err := confine.LookupUser(user)
		if err == nil {
			err = u.Become()
		}
		if err != nil {
			return err
		}
	}
	return confine.To(confine.Paths{Write: []string{inside}, Read: []string{"/proc", "/usr", "/lib", "/lib64"}})
}

// look has every thread try, once then was called.
func look(inside, outside string, then func() error, unnamed *int) error {
	var started, done sync.WaitGroup
	go_ := make(chan struct{})
	for i := range threads {
		started.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			started.Done()
			<-go_
			try(fmt.Sprintf("%s/%d", inside, i), outside, *unnamed)
		})
	}
	started.Wait()
	err := then()
	if err == nil {
		runtime.LockOSThread()
		*unnamed, err = unix.Open(inside, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	}
	if err != nil {
		return err
	}
	close(go_)
	done.Wait()
	return errors.Join(err, unix.Close(*unnamed))
}

// try tries, by raw calls of this thread.
func try(inside, outside string, unnamed int) {
	fd, errIn := unix.Open(inside, unix.O_CREAT|unix.O_RDWR, 0o600)
	_ = unix.Close(fd)
	errMove := unix.Rename(inside, inside+".moved")
	_, errRead := unix.Open(outside, unix.O_RDONLY, 0)
	_, errMake := unix.Open(outside+".new", unix.O_CREAT|unix.O_RDWR, 0o600)
	errLink := unix.Link(outside, inside+".link")
	errGone := unix.Unlink(outside)
	groups, err := unix.Getgroups()
	fmt.Printf("inside: %v %v; outside: %v %v %v %v; uid %d %d, groups %v %v; name: %v %v\n",
		errIn, errMove, errRead, errMake, errLink, errGone, unix.Getuid(), unix.Geteuid(), groups, err,
		name(inside+".own", own(inside)), name(inside+".another's", unnamed))
}

// own makes a file without a name.
func own(inside string) int {
	fd, err := unix.Open(filepath.Dir(inside), unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return -1
	}
	return fd
}

// name gives it one. Linux 6.10 and newer let who is not root do that with the very
// credentials that opened the file.
func name(path string, fd int) error {
	return unix.Linkat(fd, "", unix.AT_FDCWD, path, unix.AT_EMPTY_PATH)
}
