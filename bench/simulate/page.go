package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"scp_rdma/bench/model"
)

// The tables of docs/planning.md, each between two marks of its own.
const (
	markBegin = "<!-- simulate: %s -->\n"
	markEnd   = "<!-- end of %s -->\n"
)

const (
	mib  = 1 << 20
	gbit = 1e9 / 8
)

// ways are one way: what two NICs and a switch take, which is assumed, and 4.9 ns/m of
// fibre (a group index of 1.467).
const (
	nics  = time.Microsecond
	meter = nics + 5*time.Nanosecond
	kilo  = nics + 4900*time.Nanosecond
	hecto = nics + 490*time.Microsecond
)

// fabric is what a host has.
type fabric struct {
	name    string
	rails   int
	rate    float64 // bytes a second of each rail
	carried bool    // over TCP
}

// fabrics: a port of 400 Gb/s carries 392.1 (ib_write_bw, NVIDIA/nccl#2409), one of 100
// 97.6 (12.2 GB/s, NVIDIA/nccl-tests#29), TCP with an MTU of 1500 0.941 of the wire
// (1448 of 1538 bytes).
func fabrics() []fabric {
	return []fabric{
		{"25 Gb/s, TCP", 1, 25 * 0.941 * gbit, true},
		{"100 Gb/s", 1, 97.6 * gbit, false},
		{"2 x 400 Gb/s", 2, 392.1 * gbit, false},
		{"8 x 400 Gb/s", 8, 392.1 * gbit, false},
	}
}

func (f fabric) all() float64 { return float64(f.rails) * f.rate }

// shape is what a session's streams are made of.
type shape struct{ streams, slots, size int }

// config is sessions side by side over the fabric, in which so many large files take turns.
func (f fabric) config(sessions, files int, s shape) model.Config {
	c := model.Config{
		Rails: f.rails, Rate: f.rate, Streams: sessions * s.streams, Slots: s.slots, SlotSize: s.size,
		Segment: min(256<<10, s.size), Files: sessions * min(files, s.streams), Sender: model.SenderCost(f.carried), Receiver: model.ReceiverCost(f.carried),
	}
	if f.carried {
		c.Window, c.Segment = 2*mib, 64<<10
	}
	return c
}

// What a transfer gets if nobody says, where there are cores enough (engine/path.go).
const (
	maxStreams = 8
	maxSlots   = 8
	nearSlots  = 4     // over a short way of TCP
	fewSlots   = 4     // which slots get smaller for
	workRate   = 1.5e9 // bytes a second, of one stream
	fineSlot   = 256 << 10
	memory     = 64 * mib // of all slots
	headRoom   = 16 << 10 // transport.HeadRoom
)

// usual is what a session has if nobody says.
func (f fabric) usual() shape {
	s := shape{min(max(maxStreams, int(f.all()/workRate)+1), 64), maxSlots, mib}
	if f.carried {
		s.slots = nearSlots
	}
	for !f.carried && s.size > fineSlot && s.streams*fewSlots*(s.size+headRoom) > memory {
		s.size /= 2
	}
	s.slots = min(s.slots, memory/s.streams/(s.size+headRoom))
	return s
}

// of is a shape that is asked for.
func of(streams, slots int) shape { return shape{streams, slots, mib} }

// page is all tables with their marks.
func page() (string, error) {
	var b strings.Builder
	for _, t := range []struct {
		name string
		make func() (string, error)
	}{{"cases", cases}, {"sessions", sessionsTable}, {"slots", slotsTable}, {"cores", coresTable}, {"disks", disksTable}, {"posts", postsTable}} {
		text, err := t.make()
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(&b, markBegin+"%s"+markEnd, t.name, text, t.name)
	}
	return b.String(), nil
}

// cases is the table that one looks one's own case up in.
func cases() (string, error) {
	var b strings.Builder
	row(&b, "each host has", "what", "GB/s over 1 m", "over 1 km", "of the wire", "held back by", "cores: sender, receiver", "slots at each end, MiB")
	rule(&b, 8)
	for _, f := range fabrics() {
		enough := int(math.Ceil(f.all() / writes() / 64))
		bare := func(sh shape) model.Config {
			c := f.config(1, 0, sh)
			c.Sender, c.Receiver = model.BareCost(f.carried, false), model.BareCost(f.carried, true)
			return c
		}
		wide := min(2*int(math.Ceil(f.all()/float64(bare(f.usual()).Receiver.Sum))), 64)
		type line struct {
			what string
			cfg  model.Config
		}
		lines := []line{{"one large file", f.config(1, 1, f.usual())}, {"64 large files", f.config(1, 64, f.usual())}}
		if enough > 1 {
			lines = append(lines, line{fmt.Sprintf("%d sessions, 64 large files each", enough), f.config(enough, 64, f.usual())})
		}
		lines = append(lines, line{"`scp_rdma bench`, defaults", bare(f.usual())},
			line{fmt.Sprintf("`scp_rdma bench -j %d --slots 4`", wide), bare(of(wide, 4))})
		for _, c := range lines {
			near, err := run(c.cfg, meter)
			if err != nil {
				return "", err
			}
			far, err := run(c.cfg, kilo)
			if err != nil {
				return "", err
			}
			row(&b, f.name, c.what, giga(near.Rate), giga(far.Rate), fmt.Sprintf("%.2f", near.Share), near.Limit,
				fmt.Sprintf("%.0f, %.0f", math.Ceil(near.SendCPU), math.Ceil(near.RecvCPU)), fmt.Sprint(near.Memory/mib))
		}
	}
	return b.String(), nil
}

// writes is what one writer of files does, bytes a second.
func writes() float64 { return model.ReceiverCost(false).Write }

// run is a transfer that is long enough for its beginning and end to count for little.
func run(c model.Config, delay time.Duration) (model.Result, error) {
	c.Delay = delay
	if c.Bytes == 0 {
		c.Bytes = max(32*mib*int64(c.Streams), 1<<30)
	}
	return model.Run(c)
}

// sessionsTable is how far sessions side by side get, each of a large file and 4 streams of 4 slots.
func sessionsTable() (string, error) {
	counts := []int{1, 2, 4, 8, 16, 32, 64}
	var b strings.Builder
	head := []string{"GB/s with so many sessions"}
	for _, n := range counts {
		head = append(head, fmt.Sprint(n))
	}
	row(&b, head...)
	rule(&b, len(head))
	for _, f := range fabrics() {
		cells := []string{f.name}
		for _, n := range counts {
			res, err := run(f.config(n, 1, of(4, 4)), kilo)
			if err != nil {
				return "", err
			}
			cells = append(cells, giga(res.Rate))
		}
		row(&b, cells...)
	}
	return b.String(), nil
}

// slotsTable is what slots and distance do to 2 x 400 Gb/s where nothing but the
// network and checksums takes time.
func slotsTable() (string, error) {
	f := fabrics()[2]
	counts := []int{1, 2, 3, 4, 8, 16}
	var b strings.Builder
	head := []string{"of the wire, 32 streams with so many slots of 1 MiB"}
	for _, n := range counts {
		head = append(head, fmt.Sprint(n))
	}
	row(&b, head...)
	rule(&b, len(head))
	for _, w := range []struct {
		name  string
		delay time.Duration
		disk  float64
	}{{"1 m", meter, 0}, {"1 km", kilo, 0}, {"100 km", hecto, 0}, {"1 km, disks as fast as the wire that take their time by chance", kilo, f.all()}} {
		cells := []string{w.name}
		for _, n := range counts {
			c := f.config(1, 0, of(32, n))
			c.Sender, c.Receiver = model.BareCost(false, false), model.BareCost(false, true)
			c.Bytes, c.Receiver.Disk, c.Receiver.Jitter, c.Seed = 8<<30, w.disk, 1, 1
			res, err := run(c, w.delay)
			if err != nil {
				return "", err
			}
			cells = append(cells, fmt.Sprintf("%.2f", res.Share))
		}
		row(&b, cells...)
	}
	return b.String(), nil
}

// coresTable is arithmetic: the wire over what one core does.
func coresTable() (string, error) {
	var b strings.Builder
	row(&b, "cores to fill the wire", "GB/s", "read through the cache, sum", "read without it, sum", "sum, write", "sum alone", "copies of TCP, at each end")
	rule(&b, 7)
	for _, f := range fabrics() {
		cores := func(h model.Host) string {
			var each float64
			for _, rate := range []float64{h.Read, h.Sum, h.Carry, h.Write} {
				if rate > 0 {
					each += 1 / rate
				}
			}
			return fmt.Sprintf("%.1f", f.all()*each)
		}
		copies := "-"
		if f.carried {
			copies = cores(model.Host{Carry: model.SenderCost(true).Carry})
		}
		row(&b, f.name, giga(f.all()), cores(model.SenderCost(false)), cores(model.DirectCost()), cores(model.ReceiverCost(false)),
			cores(model.BareCost(false, true)), copies)
	}
	return b.String(), nil
}

// Samsung PM1743, PCIe 5.0 x4, as announced in December 2021; bytes a second.
const driveReads, driveWrites = 13e9, 6.6e9

// disksTable is arithmetic too.
func disksTable() (string, error) {
	var b strings.Builder
	row(&b, "to fill the wire", "GB/s", "drives that read at 13 GB/s", "drives that write at 6.6 GB/s", "PCIe lanes: NICs of x16, drives that write", "memory traffic of the receiver, GB/s")
	rule(&b, 6)
	for _, f := range fabrics() {
		reads, writers := math.Ceil(f.all()/driveReads), math.Ceil(f.all()/driveWrites)
		row(&b, f.name, giga(f.all()), fmt.Sprint(reads), fmt.Sprint(writers), fmt.Sprintf("%d, %.0f", 16*f.rails, 4*writers),
			fmt.Sprintf("%.0f to %.0f", 3*f.all()/1e9, 6*f.all()/1e9))
	}
	return b.String(), nil
}

// postsTable is what the wire's rate means for the devices, by what a MiB takes of
// both sides together (bench/results/2026-11-23.md).
func postsTable() (string, error) {
	var b strings.Builder
	row(&b, "a second, thousands", "frames of 1 MiB", "WRITEs and SENDs", "completions", "calls into libibverbs", "frames of 64 KiB")
	rule(&b, 6)
	for _, f := range fabrics()[1:] {
		n := f.all() / mib / 1000
		span := func(low, high float64) string { return fmt.Sprintf("%.0f to %.0f", n*low, n*high) }
		row(&b, f.name, fmt.Sprintf("%.0f", n), span(1+3.2, 1+3.7), span(5.3, 6.1), span(18, 24), fmt.Sprintf("%.0f", 16*n))
	}
	return b.String(), nil
}

func row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func rule(b *strings.Builder, n int) { b.WriteString(strings.Repeat("| --- ", n) + "|\n") }
