package transporttest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"scp_rdma/transport"
)

// patience bounds what should happen soon; only a fault reaches it.
const patience = 30 * time.Second

// promptly is what Close and the end of a wait may take on a busy machine.
const promptly = 6 * time.Second

// Config is how a transport joins the suite.
type Config struct {
	// World makes both sides, connected through whatever they need. What it
	// makes must be gone when the test's cleanups have run.
	World func(t *testing.T) World
	// Kill ends a stream the way a killed process does, without a word. nil:
	// this transport has no way.
	Kill func(st transport.Stream)
	// LargestSlot is the largest slot size to try; 0: transport.MaxSlotSize. For
	// worlds in which that would take too long.
	LargestSlot int
	// Swallows is how many bytes the way holds at most while nobody receives:
	// beyond that, Send has to wait. 0: Send never waits.
	Swallows int
	// Cuts: a peer that reads nothing has its connection cut, where others wait for it.
	Cuts bool
	// Raw joins a responder's endpoint as an honest initiator would, proof
	// included, and then speaks for the suite: Write takes CDCs with what belongs
	// to them, Read gives those of the responder. nil: no test of lies.
	Raw func(t *testing.T, w World, req transport.OpenRequest, offer []byte) io.ReadWriteCloser
}

// World is two sides that can reach each other.
type World struct {
	Initiator, Responder transport.Transport
	Control              transport.Path // as the initiator sees it
}

// Run runs the suite.
func Run(t *testing.T, cfg Config) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"probe and pair give rails to open", testPair},
		{"a peer without rails can't be paired", testPairNothing},
		{"either side sends whoever dials", testRoles},
		{"a wrong key, session, stream, epoch or size is refused", testProof},
		{"requests beyond the limits are refused", testLimits},
		{"frames arrive in order with all their bytes", testOrder},
		{"the smallest and the largest frames fit", testSizes},
		{"ten thousand tiny frames", testTiny},
		{"one slot suffices", testOneSlot},
		{"credits are never exceeded", testCredits},
		{"slots are released in any order", testReleaseOrder},
		{"a slow receiver slows the sender", testSlowReceiver},
		{"a blocked sender goes on with the first slot released", testWakes},
		{"a discarded slot is acquired again", testDiscard},
		{"a slot is released once", testReleaseTwice},
		{"flush means released", testFlush},
		{"a clean close ends in EOF after the last frame", testCleanClose},
		{"a close without flush never ends in EOF", testUncleanClose},
		{"a cancelled context ends every wait", testCancel},
		{"own close ends every wait", testOwnClose},
		{"the other side's close ends every wait", testPeerClose},
		{"a killed peer is noticed", testKilled},
		{"close may come twice, and calls after it fail", testCloseTwice},
		{"many streams at once", testManyStreams},
		{"all rails at once, each under its name", testAllRails},
		{"a stranger is refused, and so is a second peer", testStranger},
		{"a stream can be opened again in a new epoch", testReopen},
		{"an offer that is nonsense connects to nobody", testOffers},
		{"nonsense about the peer's rails is refused or ignored", testHostileRails},
		{"context and close end Connect on either side", testConnectEnds},
		{"everything that ends a wait ends Send", testSendWaits},
		{"a slot acquired and given back leaves a close clean", testNothingSentSince},
		{"a frame sent after the flush spoils a clean close", testSentSinceFlush},
		{"errors name call, rail and stream", testErrorsSayWhere},
		{"a slot in use outlives its stream", testSlotsOutliveClose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leftovers(t)
			largest := cfg.LargestSlot
			if largest == 0 {
				largest = transport.MaxSlotSize
			}
			tt.test(t, &suite{World: cfg.World(t), kill: cfg.Kill, largest: largest, swallows: cfg.Swallows})
		})
	}
	if cfg.Raw != nil {
		runHostile(t, cfg)
	}
}

// runHostile runs what needs a peer that proves itself and then lies.
func runHostile(t *testing.T, cfg Config) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"a receiver refuses what no sender may say", testSenderLies},
		{"a sender refuses what no receiver may say", testReceiverLies},
		{"a sender that stops in the middle is gone, not done", testCutShort},
		{"every request is answered with the current count", testAnswers},
		{"late and stale credits change nothing", testStaleCredits},
		{"an answer without news is not asked about again", testQuiet},
		{"a peer that asks and never listens can't hold up Close", testDeaf},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leftovers(t)
			tt.test(t, &suite{World: cfg.World(t), kill: cfg.Kill, raw: cfg.Raw, cuts: cfg.Cuts})
		})
	}
}

// leftovers fails the test if goroutines or descriptors are left at its end.
func leftovers(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	t.Cleanup(func() {
		deadline := time.Now().Add(patience)
		for runtime.NumGoroutine() > goroutines || descriptors(t) > fds {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines and %d descriptors at the start, %d and %d at the end:\n%s", goroutines, fds,
					runtime.NumGoroutine(), descriptors(t), stacks[:runtime.Stack(stacks, true)])
				return
			}
			runtime.Gosched()
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// suite is one test's world.
type suite struct {
	World
	kill     func(st transport.Stream)
	raw      func(t *testing.T, w World, req transport.OpenRequest, offer []byte) io.ReadWriteCloser
	largest  int
	swallows int
	cuts     bool
}

// request is for stream 0 between the best pair of rails.
func (s *suite) request(t *testing.T) transport.OpenRequest {
	t.Helper()
	pairs := s.pairs(t)
	return transport.OpenRequest{
		Pair: pairs[0], Session: transport.ID{1, 2, 3}, Key: []byte("a key of thirty-two bytes, or so!"),
		Slots: 4, SlotSize: 8192, Control: s.Control,
	}
}

func (s *suite) pairs(t *testing.T) []transport.RailPair {
	t.Helper()
	ctx := within(t)
	local, err := s.Initiator.Probe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := s.Responder.Probe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := s.Initiator.Pair(local, peer, s.Control)
	if err != nil || len(pairs) == 0 {
		t.Fatalf("pair: %v, %v", pairs, err)
	}
	return pairs
}

// within is a context for what should happen soon.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// result is what a goroutine of a test came to.
type result[T any] struct {
	v   T
	err error
}

// async runs f beside the test.
func async[T any](f func() (T, error)) <-chan result[T] {
	ch := make(chan result[T], 1)
	go func() {
		v, err := f()
		ch <- result[T]{v, err}
	}()
	return ch
}

// await waits for what async began.
func await[T any](t *testing.T, ch <-chan result[T]) (T, error) {
	t.Helper()
	select {
	case r := <-ch:
		return r.v, r.err
	case <-time.After(patience):
		t.Fatal("still blocked")
		panic("unreachable")
	}
}

// connect opens both ends with their requests and joins them.
func (s *suite) connect(t *testing.T, mine, theirs transport.OpenRequest) (a, b transport.Stream, errA, errB error) {
	t.Helper()
	ctx := within(t)
	mine.Initiator, theirs.Initiator = true, false
	theirs.Pair.Local, theirs.Pair.Peer = theirs.Pair.Peer, theirs.Pair.Local
	ea, err := s.Initiator.Open(ctx, mine)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Offer = ea.Offer()
	eb, err := s.Responder.Open(ctx, theirs)
	if err != nil {
		t.Fatal(err)
	}
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	other := async(func() (transport.Stream, error) { return eb.Connect(rctx, ea.Offer()) })
	a, errA = ea.Connect(ctx, eb.Offer())
	if errA != nil {
		cancel()
	}
	b, errB = await(t, other)
	for _, e := range []transport.Endpoint{ea, eb} {
		if err := e.Close(); err != nil {
			t.Errorf("close of an endpoint after Connect: %v", err)
		}
	}
	for _, st := range []transport.Stream{a, b} {
		if st != nil {
			t.Cleanup(func() { _ = st.Close() })
		}
	}
	return a, b, errA, errB
}

// open joins a sender on the initiator's side with a receiver.
func (s *suite) open(t *testing.T, change ...func(*transport.OpenRequest)) (transport.SendStream, transport.RecvStream) {
	t.Helper()
	mine := s.request(t)
	for _, c := range change {
		c(&mine)
	}
	theirs := mine
	mine.Role, theirs.Role = transport.Sender, transport.Receiver
	a, b, errA, errB := s.connect(t, mine, theirs)
	if errA != nil || errB != nil {
		t.Fatalf("connect: %v, %v", errA, errB)
	}
	return a.(transport.SendStream), b.(transport.RecvStream)
}

// fill makes the bytes of frame n: they differ by frame and place. (A loop over
// bytes would take most of the suite's time under the race detector.)
func fill(p []byte, n int) {
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(p) // never fails
}

// send sends frame n with a head and data of the given lengths.
func send(ctx context.Context, st transport.SendStream, n, head, data int) error {
	slot, err := st.Acquire(ctx)
	if err != nil {
		return err
	}
	if slot.Frame != uint64(n) {
		return fmt.Errorf("frame %d acquired in place of %d", slot.Frame, n)
	}
	if err := slot.SetLen(head, data); err != nil {
		return err
	}
	fill(slot.Bytes(), n)
	return st.Send(ctx, slot)
}

// recv receives frame n and compares it; the slot is still held.
func recv(ctx context.Context, st transport.RecvStream, n, head, data int) (*transport.Slot, error) {
	slot, err := st.Recv(ctx)
	if err != nil {
		return nil, err
	}
	want := make([]byte, head+data)
	fill(want, n)
	if slot.Frame != uint64(n) || len(slot.Head()) != head || string(slot.Bytes()) != string(want) {
		return nil, fmt.Errorf("frame %d with %d and %d bytes, want frame %d with %d and %d, or other bytes",
			slot.Frame, len(slot.Head()), len(slot.Data()), n, head, data)
	}
	return slot, nil
}

// pump sends frames first..last-1 and takes each off again.
func pump(t *testing.T, a transport.SendStream, b transport.RecvStream, first, last, head, data int) {
	t.Helper()
	ctx := within(t)
	sent := async(func() (struct{}, error) {
		for n := first; n < last; n++ {
			if err := send(ctx, a, n, head, data); err != nil {
				return struct{}{}, fmt.Errorf("send frame %d: %w", n, err)
			}
		}
		return struct{}{}, nil
	})
	for n := first; n < last; n++ {
		slot, err := recv(ctx, b, n, head, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Release(slot); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := await(t, sent); err != nil {
		t.Fatal(err)
	}
}
