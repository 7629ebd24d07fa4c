package testkit

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// tapRoom is what the kernel keeps of packets until they are read, bytes.
const tapRoom = 256 << 20

// Tap listens to the packets that leave this network namespace, packet(7), as IP sees
// them. The function it returns ends that, and gives each to see; it fails the test if
// the kernel has dropped any.
func Tap(t testing.TB) (read func(see func(packet []byte))) {
	t.Helper()
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // htons
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapRoom); err != nil {
		t.Fatal(err)
	}
	return func(see func(packet []byte)) {
		t.Helper()
		b := make([]byte, 128<<10)
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Pkttype == unix.PACKET_OUTGOING {
				see(b[:n])
			}
		}
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err != nil || st.Drops > 0 {
			t.Fatalf("the tap has lost packets: %+v, %v", st, err)
		}
	}
}
