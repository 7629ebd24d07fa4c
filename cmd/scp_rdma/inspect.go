package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/transport"
)

// inspection is what devices HOST tells, for programs.
type inspection struct {
	Here   hostReport   `json:"here"`
	There  *hostReport  `json:"there"` // as the server says; null: it says nothing
	Pairs  []pairReport `json:"pairs"`
	Unused []string     `json:"unused"` // why a transport has no pairs
}

type pairReport struct {
	Transport string  `json:"transport"`
	Local     string  `json:"local"`
	Peer      string  `json:"peer"`
	Works     bool    `json:"works"`
	Error     string  `json:"error,omitempty"`
	Joined    float64 `json:"joined_s"` // to open both ends and swap proofs
	Bytes     int64   `json:"bytes"`    // then written to the peer's memory
	Took      float64 `json:"took_s"`   // for them
}

// describe is what a server tells of its devices.
func describe(ctx context.Context, o *options, log hclog.Logger) []byte {
	b, err := json.Marshal(reportHost(ctx, o, o.dir, log))
	if err != nil {
		log.Warn("describing the devices", "error", err)
		return nil
	}
	return b
}

// inspect tells what this host and a server have, and which rails work between
// them. That none does is an error.
func inspect(ctx context.Context, e env, con *console, o *options, host string, log hclog.Logger) error {
	to, err := lone(o, host)
	if err != nil {
		return err
	}
	there, err := reach(ctx, e, con, o, job{to: to}, log)
	if err != nil {
		return err
	}
	defer func() { _ = there.close() }()
	found, err := engine.Inspect(ctx, engine.InspectConfig{Server: there.at, Wait: o.wait, Transports: there.reg, Encrypt: o.encrypt, Logger: log.Named("engine")})
	con.end()
	if err != nil {
		return err
	}
	in := inspection{Here: reportHost(ctx, o, ".", log), Pairs: []pairReport{}, Unused: []string{}}
	if in.There, err = parseReport(found.Report); err != nil {
		return fmt.Errorf("devices of %s: %w: %w", host, err, engine.ErrProtocol)
	}
	works := false
	for _, p := range found.Pairs {
		in.Pairs = append(in.Pairs, newPairReport(p))
		works = works || p.Err == nil
	}
	for _, err := range found.Passed {
		in.Unused = append(in.Unused, err.Error())
	}
	if o.json {
		err = printJSON(e, in)
	} else {
		err = printOut(e, strings.Join(in.lines(host), "\n")+"\n")
	}
	if err == nil && !works {
		return fmt.Errorf("no rail works between here and %s: %w", quote(host), transport.ErrUnavailable)
	}
	return err
}

// parseReport reads what a server says of itself: nothing of it is trusted, it is
// only shown.
func parseReport(b []byte) (*hostReport, error) {
	if len(b) == 0 {
		return nil, nil
	}
	r := &hostReport{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("its report: %w", err)
	}
	return r, nil
}

func newPairReport(p engine.PairProof) pairReport {
	r := pairReport{
		Transport: p.Transport, Local: p.Local, Peer: p.Peer, Works: p.Err == nil,
		Joined: p.Joined.Seconds(), Bytes: p.Bytes, Took: p.Took.Seconds(),
	}
	if p.Err != nil {
		r.Error = p.Err.Error()
	}
	return r
}

// lines is the inspection for people.
func (in *inspection) lines(host string) []string {
	lines := append([]string{"here:"}, indented(doctor(in.Here))...)
	lines = append(lines, quote(host)+":")
	if in.There == nil {
		lines = append(lines, "  tells nothing of its devices")
	} else {
		lines = append(lines, indented(doctor(*in.There))...)
	}
	lines = append(lines, "rails:")
	for _, p := range in.Pairs {
		lines = append(lines, "  "+p.line())
	}
	for _, why := range in.Unused {
		lines = append(lines, "  not "+quote(why))
	}
	return lines
}

func indented(lines []string) []string {
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return lines
}

func (p pairReport) line() string {
	names := fmt.Sprintf("%s: %s - %s: ", p.Transport, quote(p.Local), quote(p.Peer))
	if !p.Works {
		return names + "does not work: " + quote(p.Error)
	}
	return names + fmt.Sprintf("works, joined in %.1f ms, then %s in %.1f ms", p.Joined*1000, size(uint64(p.Bytes)), p.Took*1000)
}
