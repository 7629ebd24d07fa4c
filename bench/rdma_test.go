//go:build rdma && slow

package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scp_rdma/bench/null"
	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/verbs"
)

// rounds is how often each contestant runs, in turns.
const rounds = 7

// device is that of the guest which all of this runs over: soft-RoCE, or soft-iWARP.
func device() string {
	name, _, _ := strings.Cut(os.Getenv("RDMA_DEVICES"), " ")
	return name
}

// TestSoftRDMABesideItsRivals measures in one guest, in turns: bytes from memory
// to memory and from file to file beside ib_write_bw with the same message size
// and number of QPs, and 500 small files beside tar over nc. SCP_RDMA_BIN is the
// program. All CPU is emulated: only ratios within one run mean something.
func TestSoftRDMABesideItsRivals(t *testing.T) {
	bin := os.Getenv("SCP_RDMA_BIN")
	if bin == "" || device() == "" {
		t.Fatal("SCP_RDMA_BIN doesn't name the program, or RDMA_DEVICES no device")
	}
	w := newWorld(t, bin)
	for _, qps := range []int{1, 4} {
		t.Run(fmt.Sprintf("%dQPs", qps), func(t *testing.T) {
			w.compare(t, fmt.Sprintf("MiB/s on %d QPs, messages of 1 MiB", qps), []contestant{
				{"ib_write_bw", func(t *testing.T) float64 { return writeBW(t, qps) }},
				{"memory to memory", func(t *testing.T) float64 { return w.memory(t, qps, verbs.Config{}, 0, false) }},
				{"the same, unchecked", func(t *testing.T) float64 { return w.memory(t, qps, verbs.Config{}, 0, true) }},
				{"file to file", func(t *testing.T) float64 { return w.file(t, qps, "-d", device()) }},
				{"the same, unchecked", func(t *testing.T) float64 { return w.file(t, qps, "-d", device(), "--no-checksum") }},
				{"file to file, tcp", func(t *testing.T) float64 { return w.file(t, qps, "--transport", "tcp") }},
			})
		})
	}
	if !iwarp() { // which has no immediate data
		w.notices(t)
	}
	w.writes(t)
	t.Run("small", func(t *testing.T) {
		w.compare(t, "ms for 500 files of 4 KiB", []contestant{
			{"tar | nc", func(t *testing.T) float64 { return w.tar(t, "/usr/bin/tar") }},
			{"tar of busybox | nc", func(t *testing.T) float64 { return w.tar(t, "tar") }},
			{"verbs", func(t *testing.T) float64 { return w.small(t) }},
			{"verbs, -j 1", func(t *testing.T) float64 { return w.small(t, "-j", "1") }},
			{"verbs, -j 4", func(t *testing.T) float64 { return w.small(t, "-j", "4") }},
			{"tcp", func(t *testing.T) float64 { return w.small(t, "--transport", "tcp") }},
		})
	})
}

// notices compares what tells of a frame.
func (w *world) notices(t *testing.T) {
	t.Helper()
	for _, qps := range []int{1, 4} {
		for _, size := range []int{64 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("notice-%dQPs-%dKiB", qps, size>>10), func(t *testing.T) {
				w.compare(t, fmt.Sprintf("MiB/s on %d QPs, slots of %d KiB, memory to memory", qps, size>>10), []contestant{
					{"WRITE and SEND", func(t *testing.T) float64 {
						return w.memory(t, qps, verbs.Config{Notice: verbs.NoticeSend}, size, false)
					}},
					{"immediate data", func(t *testing.T) float64 {
						return w.memory(t, qps, verbs.Config{Notice: verbs.NoticeImm}, size, false)
					}},
				})
			})
		}
	}
}

// writes compares in how many RDMA WRITEs a slot goes.
func (w *world) writes(t *testing.T) {
	t.Helper()
	for _, qps := range []int{1, 4} {
		t.Run(fmt.Sprintf("writes-%dQPs", qps), func(t *testing.T) {
			var list []contestant
			for _, kib := range []int{0, 256, 128, 64} {
				name := "whole slots"
				if kib > 0 {
					name = fmt.Sprintf("of %d KiB", kib)
				}
				list = append(list, contestant{name, func(t *testing.T) float64 {
					return w.memory(t, qps, verbs.Config{WriteSize: kib << 10}, 0, false)
				}})
			}
			w.compare(t, fmt.Sprintf("MiB/s on %d QPs, slots of 1 MiB, memory to memory, WRITEs", qps), list)
		})
	}
}

// iwarp says whether the device is one of iWARP.
func iwarp() bool { return strings.HasPrefix(device(), "siw") }

type contestant struct {
	name string
	once func(t *testing.T) float64
}

// compare runs the contestants in turns and prints medians, spread, and ratios to
// the first.
func (w *world) compare(t *testing.T, what string, list []contestant) {
	t.Helper()
	got := make([][]float64, len(list))
	for range rounds {
		for i, c := range list {
			v := c.once(t)
			got[i] = append(got[i], v)
			if testing.Verbose() {
				fmt.Printf("%s: %.1f\n", c.name, v)
			}
		}
	}
	fmt.Printf("%s (median of %d, least and most)\n", what, rounds)
	for i, c := range list {
		slices.Sort(got[i])
		m := got[i][rounds/2]
		fmt.Printf("  %-20s %8.1f  (%.1f - %.1f)  %.2f of %s\n", c.name, m, got[i][0], got[i][rounds-1], m/got[0][rounds/2], list[0].name)
	}
}

// world is a guest with a server that runs.
type world struct {
	bin, dir, large, tree, in string
	home                      []string
	server                    *exec.Cmd
}

func newWorld(t *testing.T, bin string) *world {
	t.Helper()
	dir := t.TempDir()
	bin = fromMemory(t, bin, dir)
	w := &world{bin: bin, dir: dir, large: filepath.Join(dir, "file"), tree: filepath.Join(dir, "tree"), in: filepath.Join(dir, "in")}
	check(t, os.WriteFile(w.large, randomBytes(256<<20), 0o600))
	check(t, os.Mkdir(w.tree, 0o700))
	for i := range 500 {
		check(t, os.WriteFile(filepath.Join(w.tree, fmt.Sprint(i)), randomBytes(4096), 0o600))
	}
	w.home = append(os.Environ(), "SCP_RDMA_KEY_FILE="+filepath.Join(dir, "key"))
	srv := exec.Command(bin, "-s", "-o", w.in)
	w.server = srv
	srv.Env = w.home
	var out bytes.Buffer
	srv.Stderr = &out
	r, err := srv.StdoutPipe()
	check(t, err)
	check(t, srv.Start())
	line := make([]byte, 4096)
	n, err := r.Read(line)
	check(t, err)
	fmt.Print(string(line[:n]))
	go func() {
		for err == nil {
			_, err = r.Read(line)
		}
	}()
	t.Cleanup(func() {
		check(t, srv.Process.Signal(os.Interrupt))
		_ = srv.Wait() // it was interrupted
		fmt.Print(out.String())
	})
	return w
}

// fromMemory is the program as a file of the guest, as its rivals are: the host's directory, where
// it comes from, is a slow one.
func fromMemory(t *testing.T, bin, dir string) string {
	t.Helper()
	b, err := os.ReadFile(bin)
	check(t, err)
	bin = filepath.Join(dir, "scp_rdma")
	check(t, os.WriteFile(bin, b, 0o700)) //nolint:gosec // a program
	return bin
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	rand.Read(p) // never fails
	return p
}

// writeBW is the average of ib_write_bw between two processes, MiB/s.
func writeBW(t *testing.T, qps int) float64 {
	t.Helper()
	args := []string{"-d", device(), "-F", "-s", "1048576", "-q", strconv.Itoa(qps), "-n", strconv.Itoa(160 / qps)}
	if iwarp() {
		// By rdma_cm, and no more under way than that: with its 128 it hangs on soft-iWARP.
		args = append(args, "-R", "-t", "16")
	} else {
		args = append(args, "-x", "1")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	srv := exec.CommandContext(ctx, "ib_write_bw", args...)
	check(t, srv.Start())
	waitFor(t, 18515)
	out, err := exec.CommandContext(ctx, "ib_write_bw", append(args, peer())...).CombinedOutput()
	if err := errors.Join(err, srv.Wait()); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 5 && f[0] == "1048576" {
			v, err := strconv.ParseFloat(f[3], 64)
			check(t, err)
			return v
		}
	}
	t.Fatalf("no result in: %s", out)
	return 0
}

// peer is where ib_write_bw's other end is: on iWARP it must be an address of the device.
func peer() string {
	first, _, _ := strings.Cut(os.Getenv("RDMA_IPS"), " ")
	return first
}

// waitFor waits until somebody listens on a port, without calling him.
func waitFor(t *testing.T, port int) {
	t.Helper()
	want := fmt.Sprintf(":%04X ", port)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		for _, f := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			b, _ := os.ReadFile(f) // not there: nobody listens
			for line := range strings.Lines(string(b)) {
				if f := strings.Fields(line); len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1]+" ", want) {
					return
				}
			}
		}
	}
	t.Fatalf("nobody listens on %d", port)
}

// memory is a session between a source and a sink of nothing, MiB/s. A slot of 0 bytes
// is the usual.
func (w *world) memory(t *testing.T, streams int, cfg verbs.Config, slot int, unchecked bool) float64 {
	t.Helper()
	const size = 160 << 20
	sink := &null.Sink{}
	key := keys.New()
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("bench", key)})
	check(t, err)
	cfg.Devices, cfg.Rails = verbs.Host(), []string{device()}
	tr := verbs.New(cfg)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- engine.Serve(ctx, engine.ServeConfig{
			Listener: ln, Transports: transport.NewRegistry(tr), Grace: time.Minute,
			NewSink: func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return sink, nil },
		})
	}()
	start := time.Now()
	_, err = engine.Send(t.Context(), engine.SendConfig{
		Server: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, Transports: transport.NewRegistry(tr), Source: &null.Source{Files: 1, Size: size},
		Streams: streams, SlotSize: slot, NoChecksum: unchecked, Target: localfs.Target{Contents: true},
	})
	took := time.Since(start)
	stop()
	check(t, errors.Join(err, <-done))
	if got := sink.Bytes.Load(); got != size {
		t.Fatalf("%d bytes came", got)
	}
	return size / took.Seconds() / (1 << 20)
}

// client runs the program to its end.
func (w *world) client(t *testing.T, args ...string) time.Duration {
	t.Helper()
	// One that hangs tells where, and so does the server.
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Cancel = func() error {
		return errors.Join(cmd.Process.Signal(syscall.SIGQUIT), w.server.Process.Signal(syscall.SIGQUIT))
	}
	cmd.Env = w.home
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return took
}

// file is 256 MiB from the start of the client to its end, MiB/s.
func (w *world) file(t *testing.T, streams int, how ...string) float64 {
	t.Helper()
	took := w.client(t, append(how, "-j", strconv.Itoa(streams), w.large, "127.0.0.1:")...)
	same(t, w.large, filepath.Join(w.in, "file"))
	check(t, os.Remove(filepath.Join(w.in, "file")))
	return 256 / took.Seconds()
}

func same(t *testing.T, a, b string) {
	t.Helper()
	if out, err := exec.Command("cmp", a, b).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// small is 500 files from the start of the client to its end, ms.
func (w *world) small(t *testing.T, how ...string) float64 {
	t.Helper()
	took := w.client(t, append(how, w.tree, "127.0.0.1:")...)
	w.arrived(t)
	return float64(took.Microseconds()) / 1000
}

// arrived compares the tree with what has come, and removes that.
func (w *world) arrived(t *testing.T) {
	t.Helper()
	check(t, filepath.WalkDir(w.tree, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		a, errA := os.ReadFile(p)
		b, errB := os.ReadFile(filepath.Join(w.in, "tree", d.Name()))
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", p)
		}
		return errors.Join(errA, errB)
	}))
	check(t, os.RemoveAll(filepath.Join(w.in, "tree")))
}

// tar is the same with tar | nc, from the start of both to the end of both, with
// the other side listening, ms. tar alone is the one that the guest's shell, busybox,
// has in itself: no program is started for it.
func (w *world) tar(t *testing.T, tar string) float64 {
	t.Helper()
	srv := exec.Command("sh", "-c", "nc.openbsd -d -l 1999 | "+tar+" -C "+w.in+" -xf -")
	var says bytes.Buffer
	srv.Stderr = &says
	check(t, srv.Start())
	waitFor(t, 1999)
	start := time.Now()
	out, err := exec.Command("sh", "-c", tar+" -C "+w.dir+" -cf - tree | nc.openbsd -N 127.0.0.1 1999").CombinedOutput()
	endErr := srv.Wait()
	took := time.Since(start)
	if err != nil || endErr != nil {
		t.Fatalf("%v: %s; the other side: %v: %s", err, out, endErr, &says)
	}
	w.arrived(t)
	return float64(took.Microseconds()) / 1000
}
