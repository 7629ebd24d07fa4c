package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"scp_rdma/confine"
	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// becomes is the user that --user names, and the environment as that user has it; nil and
// e without one.
func (o *options) becomes(e env) (*confine.User, env, error) {
	if o.user == "" {
		return nil, e, nil
	}
	if os.Geteuid() != 0 {
		return nil, e, usagef("--user %s: only root can become somebody else", quote(o.user))
	}
	u, err := confine.LookupUser(o.user)
	if err != nil {
		return nil, e, usagef("--user: %v", err)
	}
	getenv := e.getenv
	e.getenv = func(name string) string {
		if name == "HOME" {
			return u.Home
		}
		return getenv(name)
	}
	return u, e, nil
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

// settleIn gives up what a server needs no longer once its port is open: root, and all of
// the host that is not its own. What it remembers is the user's.
func settleIn(ctx context.Context, e env, con *console, o *options, u *confine.User, root *localfs.Root, log hclog.Logger) (engine.State, func(), error) {
	if dir, err := o.stateIn(e); err == nil {
		if err := ownedBy(u, dir, 0o700); err != nil {
			return nil, nil, err
		}
	}
	if err := dropRoot(u, log); err != nil {
		return nil, nil, err
	}
	st, forget, err := remember(ctx, e, con, o, log)
	if err != nil {
		return nil, nil, err
	}
	if err := confineTo(e, o, root, log); err != nil {
		forget()
		return nil, nil, err
	}
	return st, forget, nil
}

// dropRoot becomes the user. Devices are opened anew by each session, so that the limit of
// locked memory has to be lifted while root can.
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
func confineTo(e env, o *options, root *localfs.Root, log hclog.Logger) error {
	if e.confine == nil || o.noLandlock {
		return nil
	}
	write := []string{root.Handle()}
	if dir, err := o.stateIn(e); err == nil {
		if _, err := os.Stat(dir); err == nil {
			write = append(write, dir)
		}
	}
	err := e.confine(confine.Paths{
		Write: write,
		// Names of users, what RDMA devices there are, libraries of those that come later.
		Read:    []string{"/proc", "/sys", "/etc", "/usr", "/lib", "/lib64"},
		Devices: []string{"/dev/infiniband"},
	})
	switch {
	case errors.Is(err, confine.ErrNone):
		log.Info("not confined", "why", err)
		return nil
	case err != nil:
		return fmt.Errorf("%w (--no-landlock does without)", err)
	}
	log.Info("confined", "to", root.Path())
	return nil
}
