//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

import (
	"bytes"
	"debug/elf"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
)

func TestALibraryThatIsMissingSaysWhatToInstall(t *testing.T) {
	_, err := load("libibverbs-of-nobody.so.1")
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "install rdma-core") {
		t.Error(err)
	}
}

// Another library of that name, or one too old, must not be called.
func TestALibraryWithoutAFunctionNamesIt(t *testing.T) {
	_, err := load("libc.so.6")
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "ibv_get_device_list of version IBVERBS_1.1") {
		t.Error(err)
	}
}

func TestAConnectionManagerThatIsMissingOrAnotherSaysSo(t *testing.T) {
	_, err := loadCM("librdmacm-of-nobody.so.1")
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "librdmacm1") {
		t.Error(err)
	}
	_, err = loadCM("libc.so.6")
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "rdma_create_event_channel of version RDMACM_1.0") {
		t.Error(err)
	}
}

// The layouts of addresses are the system's: family in its byte order, port in the network's.
func TestAnAddressIsMadeForTheLibrary(t *testing.T) {
	for at, want := range map[string][]byte{
		"10.0.0.1:258":          {2, 0, 1, 2, 10, 0, 0, 1},
		"[::ffff:10.0.0.1]:258": {2, 0, 1, 2, 10, 0, 0, 1},
		"[2001:db8::1]:258":     {10, 0, 1, 2, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		if got := socketBytes(netip.MustParseAddrPort(at)); !bytes.HasPrefix(got, want) {
			t.Errorf("%s: %x, want %x", at, got, want)
		}
	}
}

// The program starts where neither library is: this test's own binary, which
// holds the whole package, asks for none of them.
func TestTheBinaryNeedsNoRDMALibrary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libs, err := f.ImportedLibraries()
	if err != nil || len(libs) == 0 {
		t.Fatalf("a cgo binary with libraries %v, %v", libs, err)
	}
	for _, lib := range libs {
		if strings.HasPrefix(lib, "libibverbs") || strings.HasPrefix(lib, "librdmacm") {
			t.Errorf("needs %s", lib)
		}
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		for _, prefix := range []string{"ibv_", "_ibv_", "rdma_"} {
			if s.Section == elf.SHN_UNDEF && strings.HasPrefix(s.Name, prefix) {
				t.Errorf("undefined symbol %s", s.Name)
			}
		}
	}
}

func TestARangeLiesInsideItsMR(t *testing.T) {
	for _, c := range []struct{ offset, length int }{{-1, 1}, {0, -1}, {9, 0}, {8, 1}, {0, 9}, {1 << 62, 1 << 62}} {
		if _, ok := (&MR{mem: make([]byte, 8)}).address(c.offset, c.length); ok {
			t.Errorf("%d bytes at %d of 8 accepted", c.length, c.offset)
		}
	}
	mr := &MR{mem: make([]byte, 8)}
	if a, ok := mr.address(3, 5); !ok || uint64(a) != mr.Addr()+3 {
		t.Errorf("5 bytes at 3 of 8: %d, %v", a, ok)
	}
}

// 0, +errno, -errno (posts to siw), -1 with errno, and -1 that is -EPERM.
func TestNoFailureBecomesASuccess(t *testing.T) {
	for _, c := range []struct {
		rc, errno int
		want      unix.Errno
	}{{0, 5, 0}, {22, 0, unix.EINVAL}, {-22, 0, unix.EINVAL}, {-22, 12, unix.EINVAL}, {-1, 12, unix.ENOMEM}, {-1, 0, unix.EPERM}, {1, 0, unix.EPERM}} {
		if got := positive(c.rc, c.errno); got != c.want {
			t.Errorf("%d with errno %d: %d, want %d", c.rc, c.errno, got, c.want)
		}
	}
}
