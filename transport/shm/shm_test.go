package shm

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
	"scp_rdma/transport/internal/socket"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

func world() transporttest.World {
	return transporttest.World{Initiator: New(Config{}), Responder: New(Config{})}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Config{
		World: func(*testing.T) transporttest.World { return world() },
		Kill:  kill, Raw: raw,
	})
}

func BenchmarkStream(b *testing.B) { transporttest.Benchmark(b, world()) }

// kill ends a stream as the kernel does for a killed process.
func kill(st transport.Stream) { _ = st.(interface{ Conn() socket.Conn }).Conn().Close() }

// greeted joins by hand, up to where slots change hands.
func greeted(t *testing.T, req transport.OpenRequest, offer []byte) *net.UnixConn {
	t.Helper()
	o, err := wire.ParseSHMOffer(offer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialUnix("unix", nil, address(o))
	if err != nil {
		t.Fatal(err)
	}
	if err := (socket.Hello{Transport: "shm", Request: req, Nonce: o.Nonce}).Greet(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw joins by hand. What the suite says of frames crosses the connection in its world:
// here it lies in the slots.
func raw(t *testing.T, _ transporttest.World, req transport.OpenRequest, offer []byte) io.ReadWriteCloser {
	t.Helper()
	c := greeted(t, req, offer)
	swap := take
	if req.Role == transport.Receiver {
		swap = give
	}
	slab, err := swap(c, socket.SlabSize(req))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slab.Drop)
	return &speaker{UnixConn: c, slots: transport.MakeSlots(slab.Bytes(), req.Slots, req.SlotSize)}
}

// speaker puts what comes after a CDC of data into its slot, and reads it from there.
type speaker struct {
	*net.UnixConn
	slots []*transport.Slot

	mu   sync.Mutex
	read []byte // to be given to the suite
}

func frame(cdc []byte) (wire.CDC, int) {
	c, err := wire.ParseCDC(cdc)
	if err != nil || c.Kind != wire.CDCData {
		return c, 0
	}
	return c, int(c.HeadLen + c.DataLen)
}

func (s *speaker) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		n := min(len(b), wire.CDCSize)
		c, body := frame(b[:n])
		rest := b[n:]
		if body = min(body, len(rest)); body > 0 && int(c.Slot) < len(s.slots) {
			if slot := s.slots[c.Slot]; slot.SetLen(int(c.HeadLen), int(c.DataLen)) == nil {
				copy(slot.Bytes(), rest[:body])
			}
		}
		if _, err := s.UnixConn.Write(b[:n]); err != nil {
			return 0, err
		}
		b = rest[body:]
	}
	return all, nil
}

func (s *speaker) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.read) == 0 {
		cdc := make([]byte, wire.CDCSize)
		if _, err := io.ReadFull(s.UnixConn, cdc); err != nil {
			return 0, err
		}
		s.read = cdc
		if c, body := frame(cdc); body > 0 {
			slot := s.slots[c.Slot]
			if err := slot.SetLen(int(c.HeadLen), int(c.DataLen)); err != nil {
				return 0, err
			}
			s.read = append(s.read, slot.Bytes()...)
		}
	}
	n := copy(b, s.read)
	s.read = s.read[n:]
	return n, nil
}

func TestOnlyTheSamePlacePairs(t *testing.T) {
	w := world()
	local, err := w.Initiator.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := wire.ParseSHMRail(local[0].Info)
	if err != nil {
		t.Fatal(err)
	}
	boot, dev, inode := mine, mine, mine
	boot.Boot[15]++
	dev.Dev++
	inode.Inode++
	for name, theirs := range map[string]wire.SHMRail{"another boot": boot, "another device": dev, "another namespace": inode} {
		peer := []transport.Rail{{Name: "memory", Info: theirs.Append(nil)}}
		if pairs, err := w.Initiator.Pair(local, peer, w.Control); len(pairs) > 0 || !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("%s: %v, %v", name, pairs, err)
		}
	}
	// However often a peer says it, there is one way to pair.
	var many []transport.Rail
	for range 1000 {
		many = append(many, local[0])
	}
	if pairs, err := w.Initiator.Pair(local, many, w.Control); err != nil || len(pairs) != 1 {
		t.Errorf("%d pairs, %v", len(pairs), err)
	}
}

// opened is a responder's endpoint that waits, and the request of its initiator.
func opened(t *testing.T, w transporttest.World, role transport.Role) (e transport.Endpoint, mine transport.OpenRequest, joined chan error) {
	t.Helper()
	mine = transport.OpenRequest{Role: transport.Sender + transport.Receiver - role, Initiator: true,
		Key: make([]byte, 32), Slots: 2, SlotSize: transport.MinSlotSize}
	theirs := mine
	theirs.Role, theirs.Initiator = role, false
	e, err := w.Responder.Open(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	joined = make(chan error, 1)
	go func() {
		st, err := e.Connect(t.Context(), nil)
		if err == nil {
			_ = st.Close()
		}
		joined <- err
	}()
	return e, mine, joined
}

// A sender maps nothing that could end it: memory that may become shorter, is too
// short, or lies where pages can run out; nor anything but one file.
func TestASenderMapsOnlyWhatLasts(t *testing.T) {
	const size = 2 * (transport.HeadRoom + transport.MinSlotSize)
	memory := func(n int64, flags, seals int) func() (int, error) {
		return func() (int, error) {
			fd, err := unix.MemfdCreate("test", flags)
			if err == nil {
				err = unix.Ftruncate(fd, n)
			}
			if err == nil && seals != 0 {
				_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
			}
			return fd, err
		}
	}
	for name, tt := range map[string]struct {
		open func() (int, error)
		want error
	}{
		"memory as it should be":      {memory(size, unix.MFD_ALLOW_SEALING, seals), nil},
		"memory that may shrink":      {memory(size, unix.MFD_ALLOW_SEALING, unix.F_SEAL_GROW), transport.ErrProtocol},
		"memory without seals":        {memory(size, 0, 0), transport.ErrProtocol},
		"memory that is too short":    {memory(size-1, unix.MFD_ALLOW_SEALING, seals), transport.ErrProtocol},
		"memory that is too long":     {memory(size+1, unix.MFD_ALLOW_SEALING, seals), transport.ErrProtocol},
		"memory that can't be mapped": {memory(size, unix.MFD_ALLOW_SEALING, seals|unix.F_SEAL_WRITE), unix.EPERM},
		"a file": {func() (int, error) {
			return unix.Open(os.DevNull, unix.O_RDWR, 0)
		}, transport.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			fd, err := tt.open()
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			e, mine, joined := opened(t, world(), transport.Sender)
			c := greeted(t, mine, e.Offer())
			defer c.Close()
			if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil); err != nil {
				t.Fatal(err)
			}
			if err := <-joined; !errors.Is(err, tt.want) {
				t.Errorf("joined: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestHugePagesAreNoSlots(t *testing.T) {
	const size = 2 << 20
	fd, err := unix.MemfdCreate("test", unix.MFD_ALLOW_SEALING|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	_, errSeals := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK)
	if err := errors.Join(unix.Ftruncate(fd, size), errSeals); err != nil {
		t.Fatal(err)
	}
	if err := checkMemory(fd, size); !errors.Is(err, transport.ErrProtocol) || !errors.Is(err, errShared) {
		t.Errorf("taken for slots: %v", err)
	}
}

func TestASenderTakesOneFileAndNoMore(t *testing.T) {
	fd, err := makeMemory(2 * (transport.HeadRoom + transport.MinSlotSize))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for name, rights := range map[string][]byte{"none": nil, "two": unix.UnixRights(fd, fd), "two hundred": unix.UnixRights(make([]int, 200)...)} {
		before := files(t)
		e, mine, joined := opened(t, world(), transport.Sender)
		c := greeted(t, mine, e.Offer())
		if _, _, err := c.WriteMsgUnix([]byte{0}, rights, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-joined; !errors.Is(err, transport.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		_, _ = c.Close(), e.Close()
		if now := files(t); now != before {
			t.Errorf("%s: %d files are open, before %d", name, now, before)
		}
	}
}

func files(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// What can be shortened would kill who touches the rest.
func TestSlotsCanNotBeShortened(t *testing.T) {
	fd, err := makeMemory(8192)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, n := range []int64{0, 4096, 16384} {
		if err := unix.Ftruncate(fd, n); !errors.Is(err, unix.EPERM) {
			t.Errorf("made %d bytes long: %v", n, err)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err, unix.EPERM) {
		t.Errorf("sealed again: %v", err)
	}
}

// Whoever finds the socket and says nothing, or nonsense, holds nobody up.
func TestSilentStrangersHoldNobodyUp(t *testing.T) {
	e, mine, joined := opened(t, world(), transport.Receiver)
	o, err := wire.ParseSHMOffer(e.Offer())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 * strangers {
		c, err := net.DialUnix("unix", nil, address(o))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n%2 == 1 {
			_, _ = c.Write(binary.LittleEndian.AppendUint64(make([]byte, wire.JoinSize-8), uint64(n)))
		}
	}
	c := greeted(t, mine, e.Offer())
	defer c.Close()
	if _, err := take(c, 2*(transport.HeadRoom+transport.MinSlotSize)); err != nil {
		t.Error(err)
	}
	if err := <-joined; err != nil {
		t.Error(err)
	}
}

// A peer that joins and then passes nothing on is given up.
func TestSlotsThatDoNotComeAreNotWaitedForForEver(t *testing.T) {
	w := transporttest.World{Initiator: New(Config{}), Responder: New(Config{Timeout: 50 * time.Millisecond})}
	e, mine, joined := opened(t, w, transport.Sender)
	c := greeted(t, mine, e.Offer())
	defer c.Close()
	if err := <-joined; !errors.Is(err, transport.ErrPeerGone) {
		t.Errorf("joined: %v", err)
	}
}
