package main

import (
	"slices"
	"testing"
	"testing/fstest"

	"scp_rdma/topology"
)

func TestDevicesLieByTheCoresOfTheirSocket(t *testing.T) {
	dir := t.TempDir()
	h := twoSockets(t, dir)
	lies := whereTo(h, dir)
	near, away, soft := lies("mlx5_0"), lies("mlx5_1"), lies("rxe0")
	if near.Far != 0 || away.Far != 1 || soft.Far != 0 {
		t.Errorf("far from the disk of the first socket: %d, %d, %d", near.Far, away.Far, soft.Far)
	}
	if !slices.Equal(near.Cores, []int{0, 2}) || !slices.Equal(away.Cores, []int{1, 3}) || soft.Cores != nil {
		t.Errorf("cores %v, %v, %v", near.Cores, away.Cores, soft.Cores)
	}
	// 16 lanes of 16 and of 8 GT/s, of which a tenth is heads of packets.
	if near.Rate/1e9 != 226 || away.Rate/1e9 != 113 || soft.Rate != 0 {
		t.Errorf("%d, %d, %d bit/s", near.Rate, away.Rate, soft.Rate)
	}
	if l := lies("mlx5_9"); l.Cores != nil || l.Rate != 0 || l.Far != 0 {
		t.Errorf("a device that is not there: %+v", l)
	}
	// What lies on no disk is near to all.
	if l := whereTo(h, "/proc")("mlx5_1"); l.Far != 0 || len(l.Cores) != 2 {
		t.Errorf("%+v", l)
	}
}

// With one node there is nothing to choose.
func TestAHostOfOneNodeKeepsNobodyAnywhere(t *testing.T) {
	dir := t.TempDir()
	sys := twoSocketsFS(t, dir)
	delete(sys, "devices/system/node/node1/cpulist")
	if l := whereTo(topology.New(sys), dir)("mlx5_1"); l.Cores != nil || l.Far != 0 || l.Rate == 0 {
		t.Errorf("%+v", l)
	}
}

func TestTheSpeedOfAnInterface(t *testing.T) {
	sys := fstest.MapFS{
		"class/net/eth0/speed": {Data: []byte("25000\n")},
		"class/net/eth1/speed": {Data: []byte("-1\n")},
		"class/net/lo/mtu":     {Data: []byte("65536\n")},
	}
	speed := speedOf(topology.New(sys))
	if a, b, c, d := speed("eth0"), speed("eth1"), speed("lo"), speed("../eth0"); a != 25e9 || b != 0 || c != 0 || d != 25e9 {
		t.Errorf("%d, %d, %d, %d", a, b, c, d)
	}
}
