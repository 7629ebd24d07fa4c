package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"scp_rdma/confine"
	"scp_rdma/localfs"
)

// becomes is the user that --user names; nil without one.
func (o *options) becomes() (*confine.User, error) {
	if o.user == "" {
		return nil, nil
	}
	if !confine.CanBecome {
		return nil, usagef("--user %s: not on this system: start the server as that user", quote(o.user))
	}
	if os.Geteuid() != 0 {
		return nil, usagef("--user %s: only root can become somebody else", quote(o.user))
	}
	u, err := confine.LookupUser(o.user)
	if err != nil {
		return nil, usagef("--user: %v", err)
	}
	return u, nil
}

// ownedBy makes a directory that is missing, for the user to own.
func ownedBy(u *confine.User, dir string, mode os.FileMode) error {
	if _, err := os.Stat(dir); u == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.Mkdir(dir, mode)); err != nil {
		return err
	}
	return os.Chown(dir, u.UID, u.GID)
}

// settle gives up what a server needs no longer: root, and all of the host that is not its
// own. Then the program begins anew, and this does not return; without anything to give up,
// it does. What the server remembers is the user's.
func (s *estate) settle(e env, con *console, o *options, log hclog.Logger) error {
	u, err := o.becomes()
	if err != nil {
		return err
	}
	if u != nil {
		e.getenv = homeOf(u, e.getenv)
	}
	if dir, err := o.stateIn(e); err == nil {
		if err := ownedBy(u, dir, 0o700); err != nil {
			return err
		}
	}
	s.keepFiles(e, con, o, u != nil)
	if err := dropRoot(u, log); err != nil {
		return err
	}
	dir, err := s.remembersIn(e, con, o)
	if err != nil {
		return err
	}
	confined, err := confineTo(e, o, s.root, dir, log)
	if err != nil || e.anew == nil || !confined && u == nil {
		return err
	}
	if err := s.bequeath(e); err != nil {
		return fmt.Errorf("%w (who runs the server has to be let to run that; --no-landlock does without where there is no --user)", err)
	}
	return nil
}

// homeOf is an environment as it is at a user's home.
func homeOf(u *confine.User, getenv func(string) string) func(string) string {
	return func(name string) string {
		if name == "HOME" {
			return u.Home
		}
		return getenv(name)
	}
}

// dropRoot becomes the user. Devices are opened by each session, so that the limit of locked
// memory has to be lifted while root can.
func dropRoot(u *confine.User, log hclog.Logger) error {
	if u == nil {
		return nil
	}
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all); err != nil {
		log.Info("the limit of locked memory stays", "error", err)
	}
	return u.Become()
}

// confineTo leaves a server its directory, its state, and what it reads of the system.
func confineTo(e env, o *options, root *localfs.Root, state string, log hclog.Logger) (confined bool, err error) {
	if e.confine == nil || o.noLandlock || root.Path() == "/" {
		return false, nil
	}
	write := []string{root.Handle()}
	if state != "" {
		write = append(write, state)
	}
	err = e.confine(confine.Paths{
		Write: write,
		// Names of users, what RDMA devices there are, the libraries that go with them.
		Read:    append([]string{"/proc", "/sys", "/etc", "/usr", "/lib", "/lib64"}, filepath.SplitList(e.getenv("LD_LIBRARY_PATH"))...),
		Devices: []string{"/dev/infiniband"},
	})
	switch {
	case errors.Is(err, confine.ErrNone):
		log.Info("not confined", "why", err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w (--no-landlock does without)", err)
	}
	log.Info("confined", "to", root.Path())
	return true, nil
}
