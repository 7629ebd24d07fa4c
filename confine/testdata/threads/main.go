// Threads shows what each thread of a process may do after it was confined: whether it can
// write in the directory that is left to it, read and write elsewhere, and who it is.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/confine"
)

const threads = 16

func main() {
	inside, outside, user := os.Args[1], os.Args[2], os.Args[3]
	var started, done sync.WaitGroup
	go_ := make(chan struct{})
	for i := range threads {
		started.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			started.Done()
			<-go_
			look(fmt.Sprintf("%s/%d", inside, i), outside)
		})
	}
	started.Wait()
	if user != "" {
		u, err := confine.LookupUser(user)
		if err == nil {
			err = u.Become()
		}
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	if err := confine.To(confine.Paths{Write: []string{inside}, Read: []string{"/proc"}}); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	close(go_)
	done.Wait()
}

// look tries, by raw calls of this thread.
func look(inside, outside string) {
	fd, errIn := unix.Open(inside, unix.O_CREAT|unix.O_RDWR, 0o600)
	_ = unix.Close(fd)
	errMove := unix.Rename(inside, inside+".moved")
	_, errRead := unix.Open(outside, unix.O_RDONLY, 0)
	_, errMake := unix.Open(outside+".new", unix.O_CREAT|unix.O_RDWR, 0o600)
	errLink := unix.Link(outside, inside+".link")
	errGone := unix.Unlink(outside)
	groups, err := unix.Getgroups()
	fmt.Printf("inside: %v %v; outside: %v %v %v %v; uid %d %d, groups %v %v\n",
		errIn, errMove, errRead, errMake, errLink, errGone, unix.Getuid(), unix.Geteuid(), groups, err)
}
