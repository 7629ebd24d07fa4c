package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"scp_rdma/confine"
	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/overssh"
	"scp_rdma/state"
)

// estate is what a server has once it has opened all that it needs its first rights for. It
// may go to the process in which the program begins anew with fewer.
type estate struct {
	ln   net.Listener
	root *localfs.Root
	ring *keys.Ring      // nil: anybody
	keep *confine.Keeper // of the files that are read again; nil: this process can read them, or there are none
	seen net.Listener    // for --metrics; nil: not asked for
	papers

	store *state.Store // opened by remember; nil: there is none
}

// papers is of an estate what is no file.
type papers struct {
	Path      string           // of the root, as it was named
	Dir       string           // the same for people
	Says      string           // about the keys, for the line that tells where the server listens
	Words     string           // a line more, of a key that was just made
	Ring      []byte           // keys.Ring.Secrets
	Forgetful bool             // there is nowhere to remember anything
	Kept      bool             // the keeper of files is among what is left
	Seen      bool             // and so is the port for --metrics
	SSH       *overssh.Request // of the client that had this server started
	Rest      string           // of the path in it, below the root
	Config    []configText     // the files of settings
}

// open opens a server's directory, its keys and its port.
func (o *options) open(ctx context.Context, e env) (*estate, error) {
	u, err := o.becomes()
	if err != nil {
		return nil, err
	}
	if err := ownedBy(u, o.dir, 0o777); err != nil {
		return nil, err
	}
	root, err := localfs.OpenRoot(o.dir, true)
	if err != nil {
		return nil, err
	}
	d, err := o.openDoor(e)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	ln, err := o.openPort(ctx)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	seen, err := o.metrics.listen(ctx, o.network())
	if err != nil {
		return nil, errors.Join(err, ln.Close(), root.Close())
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		dir = o.dir // the current directory is gone; the name is still right
	}
	return &estate{ln: ln, root: root, ring: d.ring, seen: seen, papers: papers{Path: o.dir, Dir: dir, Says: d.says, Words: d.words, Config: o.texts}}, nil
}

// bindTo opens the port.
func (o *options) bindTo(ctx context.Context, port uint16) (net.Listener, error) {
	return control.Bind(ctx, o.network(), net.JoinHostPort(unbracket(o.bind), strconv.Itoa(int(port))))
}

// close gives up what was opened.
func (s *estate) close() error { return errors.Join(s.ln.Close(), s.root.Close(), s.unseen()) }

// bequeath starts the program anew, as the heir of all this. It returns only if that fails.
func (s *estate) bequeath(e env) (err error) {
	if s.ring != nil {
		if s.Ring, err = s.ring.Secrets(); err != nil {
			return err
		}
	}
	s.Kept, s.Seen = s.keep != nil, s.seen != nil
	text, err := json.Marshal(s.papers)
	if err != nil {
		return err
	}
	root, err := s.root.File()
	if err != nil {
		return err
	}
	port, err := s.ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	written, err := inMemory(text)
	if err != nil {
		return err
	}
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOME=") })
	if home := e.getenv("HOME"); home != "" {
		environ = append(environ, "HOME="+home)
	}
	files := []*os.File{root, port, written}
	if s.keep != nil {
		files = append(files, s.keep.File())
	}
	if s.seen != nil {
		f, err := s.seen.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	deafToStatus()
	return e.anew(environ, files...)
}

// inherit is the estate that this process was started anew with; nil if it was not.
func inherit(e env) (*estate, error) {
	if len(e.left) == 0 {
		return nil, nil
	}
	s, err := heirOf(e.left)
	if err != nil {
		return nil, fmt.Errorf("started anew: %w", err)
	}
	return s, nil
}

func heirOf(left []*os.File) (*estate, error) {
	if len(left) < 3 {
		return nil, fmt.Errorf("%d files", len(left))
	}
	root, port, written := left[0], left[1], left[2]
	text, err := io.ReadAll(written)
	if err = errors.Join(err, written.Close()); err != nil {
		return nil, err
	}
	s := &estate{}
	if err := json.Unmarshal(text, &s.papers); err != nil {
		return nil, err
	}
	if s.Ring != nil {
		if s.ring, err = keys.ParseSecrets(s.Ring); err != nil {
			return nil, err
		}
		s.Ring = nil
	}
	if s.ln, err = net.FileListener(port); err != nil {
		return nil, err
	}
	if err := port.Close(); err != nil {
		return nil, err
	}
	if err := s.takeRest(left[3:]); err != nil {
		return nil, err
	}
	s.root, err = localfs.InheritRoot(root, s.Path)
	return s, err
}

// takeRest takes what not every server has.
func (s *estate) takeRest(left []*os.File) (err error) {
	if s.Kept && len(left) > 0 {
		if s.keep, err = confine.Kept(left[0]); err != nil {
			return err
		}
		left = left[1:]
	}
	if s.Seen && len(left) > 0 {
		if s.seen, err = net.FileListener(left[0]); err == nil {
			err = left[0].Close()
		}
		left = left[1:]
	}
	if err == nil && (len(left) > 0 || s.Kept != (s.keep != nil) || s.Seen != (s.seen != nil)) {
		err = errors.New("not all files that there should be")
	}
	return err
}
