package shm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Built says that this build has shm.
const Built = true

// place is where sockets of this process can be found.
func place() (wire.SHMRail, error) {
	var r wire.SHMRail
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return r, err
	}
	id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err != nil || len(id) != len(r.Boot) {
		return r, fmt.Errorf("boot id %q is none", text)
	}
	copy(r.Boot[:], id)
	var st unix.Stat_t
	// Of this thread, as its sockets are: that of /proc/self is the first thread's, which a
	// program may have moved to another for good.
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return r, fmt.Errorf("network namespace: %w", err)
	}
	r.Dev, r.Inode = st.Dev, st.Ino
	return r, nil
}

// seals: nobody can make the memory shorter, which would kill who touches the rest, nor
// longer; and nobody can say otherwise (fcntl(2), file sealing).
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// give makes n bytes of memory and passes them on.
func give(c *net.UnixConn, n int) (*transport.Slab, error) {
	fd, err := makeMemory(n)
	if err != nil {
		return nil, fmt.Errorf("memory for %d bytes of slots: %w: fewer or smaller slots need less", n, err)
	}
	defer func() { _ = unix.Close(fd) }() // the mapping holds it
	slab, err := transport.MapSlab(fd, n)
	if err != nil {
		return nil, err
	}
	// One byte, for rights don't travel alone.
	if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
		slab.Drop()
		return nil, fmt.Errorf("pass slots on: %w", gone(err))
	}
	return slab, nil
}

func makeMemory(n int) (fd int, err error) {
	const name = "scp_rdma slots"
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	err = unix.Ftruncate(fd, int64(n))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// take gets the n bytes that the peer passes on.
func take(c *net.UnixConn, n int) (*transport.Slab, error) {
	fd, err := takeFile(c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := checkMemory(fd, n); err != nil {
		return nil, err
	}
	return transport.MapSlab(fd, n)
}

// takeFile takes the one file descriptor that comes with one byte. There is room for no
// more: the kernel closes others.
func takeFile(c *net.UnixConn) (fd int, err error) {
	var one [1]byte
	rights := make([]byte, unix.CmsgSpace(4))
	n, size, flags, _, err := c.ReadMsgUnix(one[:], rights)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return -1, fmt.Errorf("take slots: %w", gone(err))
	}
	list, err := unix.ParseSocketControlMessage(rights[:size])
	if err != nil || len(list) != 1 {
		return -1, fmt.Errorf("%w: no file came with the word of it: %w", errShared, transport.ErrProtocol)
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return -1, fmt.Errorf("%w: it should be one file: %w", errShared, transport.ErrProtocol)
	}
	return fds[0], nil
}

// checkMemory: it is memory, of the right size, and stays so.
func checkMemory(fd, n int) error {
	var st unix.Stat_t
	var at unix.Statfs_t
	has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil {
		err = unix.Fstatfs(fd, &at)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w: %w", errShared, transport.ErrProtocol, err)
	case at.Type != unix.TMPFS_MAGIC: // huge pages run out, and kill who touches one
		return fmt.Errorf("%w: file system of type %#x: %w", errShared, at.Type, transport.ErrProtocol)
	case has&unix.F_SEAL_SHRINK == 0:
		return fmt.Errorf("%w: it may become shorter: %w", errShared, transport.ErrProtocol)
	case st.Size != int64(n):
		return fmt.Errorf("%w: %d bytes, want %d: %w", errShared, st.Size, n, transport.ErrProtocol)
	}
	return nil
}

// gone says of an error of the connection that the peer is.
func gone(err error) error { return fmt.Errorf("%w: %w", transport.ErrPeerGone, err) }
