package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"scp_rdma/keys"
)

// keyFile is where this run's key lies.
func (o *options) keyFile(e env) (string, error) {
	if o.key != "" {
		return o.key, nil
	}
	return keys.DefaultFile(e.getenv)
}

// clientKey loads the key of a client, which never makes one; nil with --no-auth.
func (o *options) clientKey(e env) (*keys.Key, error) {
	if o.noAuth {
		return nil, nil
	}
	file, err := o.keyFile(e)
	if err != nil {
		return nil, err
	}
	k, err := keys.Load(file)
	if errors.Is(err, keys.ErrNone) {
		return nil, fmt.Errorf("%w: copy the server's key to %s on this host, mode 0600 (the server's start says where it lies), or name it with --key-file", err, file)
	}
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// door is who may come in to a server.
type door struct {
	ring  *keys.Ring // nil: anybody
	says  string     // about it, for the line that tells where the server listens
	words string     // a line more, of a key that was just made
}

// openDoor loads the keys of a server, or makes its first one.
func (o *options) openDoor(e env) (door, error) {
	switch {
	case o.noAuth:
		return door{says: "whoever reaches this port may write there"}, nil
	case o.authorized != "":
		text, err := keys.ReadList(o.authorized)
		if err != nil {
			return door{}, err
		}
		r, err := o.ringOf(text)
		if err != nil {
			return door{}, err
		}
		return door{ring: r, says: fmt.Sprintf("%s in %s", plural(uint64(r.Len()), "key", "keys"), quote(o.authorized))}, nil
	}
	file, err := o.keyFile(e)
	if err != nil {
		return door{}, err
	}
	k, made, err := keys.LoadOrCreate(file)
	if errors.Is(err, fs.ErrPermission) && o.key == "" {
		return door{}, fmt.Errorf("%w: --key-file names another place for the key", err)
	}
	if err != nil {
		return door{}, err
	}
	d := door{ring: keys.Single("", k), says: fmt.Sprintf("%v, from %s", k, quote(file))}
	if made {
		d.words = fmt.Sprintf("made that key just now: clients need a copy of the file, mode 0600, in ~/.config/scp_rdma/key or where --key-file says, for instance by: ssh CLIENT 'umask 077; mkdir -p ~/.config/scp_rdma; cat > ~/.config/scp_rdma/key' < %s", quote(file))
	}
	return d, nil
}

// ringOf is what a list of keys says, if this server can do it.
func (o *options) ringOf(text string) (*keys.Ring, error) {
	r, err := keys.RingOf(o.authorized, text)
	if err == nil && r.Any(keys.XattrAll) && os.Geteuid() != 0 {
		return nil, usagef("%s: rights=xattr-all: only root may set all attributes; without root: xattr", quote(o.authorized))
	}
	return r, err
}

// keygen makes a key file, for a server and its clients or for a line of a list.
func keygen(e env, o *options) error {
	file, err := o.keyFile(e)
	if err != nil {
		return err
	}
	k, err := keys.Create(file)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is never overwritten: remove it first, or name another with --key-file", file)
	}
	if err != nil {
		return err
	}
	if o.quiet {
		return nil
	}
	return printOut(e, fmt.Sprintf("made %s (%v): copy it, mode 0600, to the server and to every client; whoever has it may use that server, and pose as it\n", quote(file), k))
}
