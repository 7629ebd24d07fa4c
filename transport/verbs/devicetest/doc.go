// Package devicetest asks a device how it behaves: one table, for real devices in
// a guest and for those of softnic in any test. What verbs builds on is in the
// table, and so is what was seen to differ between devices.
//
//	[1] Run opens the device, makes two ends of it and joins them by hand, or by
//	    rdma_cm where there is no other way (iWARP)
//	[2] each line does one thing and compares what the device made of it
//	[3] what differs between devices is said by Config.Kind
//
// Waits are bounded by a minute: emulated devices on a busy machine are slow.
package devicetest
