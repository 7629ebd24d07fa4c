package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport/verbs"
)

// devices tells what RDMA devices this host has, what would be used, and why not
// the rest.
func devices(ctx context.Context, e env, o *options, log hclog.Logger) error {
	r := reportHost(ctx, o, o.dir, log)
	if o.json {
		return printJSON(e, r)
	}
	return printOut(e, strings.Join(doctor(r), "\n")+"\n")
}

// reportHost looks at this host. dir is whose disks are looked at, too.
func reportHost(ctx context.Context, o *options, dir string, log hclog.Logger) hostReport {
	r := hostReport{Report: verbs.New(o.verbsConfig(verbs.Host(), nil, dir, log)).Describe(ctx)}
	r.Near = near(thisHost(), &r.Report, dir)
	return r
}

func printJSON(e env, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("json: %w", err)
	}
	return printOut(e, string(b)+"\n")
}

// doctor is the report for people: every device, and every cure.
func doctor(r hostReport) []string {
	var lines []string
	if r.Library != "" {
		lines = append(lines, "RDMA can't be used: "+quote(r.Library))
	} else if len(r.Devices) == 0 {
		lines = append(lines, "no RDMA devices: for a NIC, its driver must be loaded (lspci; modprobe mlx5_ib, irdma, bnxt_re, ...);"+
			" to try without one: modprobe rdma_rxe; rdma link add rxe0 type rxe netdev eth0")
	}
	if r.MemLock != nil {
		lines = append(lines, fmt.Sprintf("locked memory: at most %s without CAP_IPC_LOCK, and slots are locked memory: ulimit -l unlimited, LimitMEMLOCK=infinity in a service", size(*r.MemLock)))
	}
	for _, d := range r.Devices {
		lines = append(lines, deviceLines(d)...)
	}
	if r.Near != nil && len(r.Near.Devices) > 0 {
		lines = append(lines, r.Near.lines()...)
	}
	return lines
}

func deviceLines(d verbs.DeviceReport) []string {
	facts := []string{}
	if d.Firmware != "" {
		facts = append(facts, "firmware "+quote(d.Firmware))
	}
	if d.NUMA >= 0 {
		facts = append(facts, fmt.Sprintf("NUMA node %d", d.NUMA))
	}
	if d.IWARP {
		facts = append(facts, "iWARP")
	}
	head := quote(d.Name) + ":"
	if len(facts) > 0 {
		head += " " + strings.Join(facts, ", ")
	}
	lines := []string{head}
	if d.Error != "" {
		lines = append(lines, "  not used: "+quote(d.Error))
	}
	for _, p := range d.Ports {
		lines = append(lines, portLines(p)...)
	}
	return lines
}

func portLines(p verbs.PortReport) []string {
	line := fmt.Sprintf("  port %d: %s, %s", p.Number, quote(p.State), quote(p.Link))
	if p.Speed > 0 {
		line += fmt.Sprintf(", %g Gb/s", float64(p.Speed)/1e9)
	}
	line += fmt.Sprintf(", MTU %d of %d", p.ActiveMTU, p.MaxMTU)
	if p.LID > 0 {
		line += fmt.Sprintf(", LID %d", p.LID)
	}
	if p.Link == "Ethernet" {
		line += fmt.Sprintf(", traffic class %d", p.Class)
	}
	lines := []string{line}
	if p.Error != "" {
		lines = append(lines, "    not used: "+quote(p.Error))
	} else {
		lines = append(lines, "    used, as -d "+quote(p.Rail))
	}
	for _, g := range p.GIDs {
		mark := " "
		if g.Chosen {
			mark = "*"
		}
		row := fmt.Sprintf("   %sGID %d: %s, %s", mark, g.Index, quote(g.GID), quote(g.Type))
		if g.Netdev != "" {
			row += " on " + quote(g.Netdev)
		}
		lines = append(lines, row+": "+quote(g.Why))
	}
	return lines
}
