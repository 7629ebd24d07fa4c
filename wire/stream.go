package wire

// FeatureStream: a side takes entries whose size is not known (Entry.Stream), and sends a
// file in order (Fetch.Ordered).
const FeatureStream = "stream"

// StreamWindow is how far a sender may be ahead with an entry that goes in order: no chunk of
// it ends so many bytes or more behind the first that has no result. Who can't read a second
// time holds that much, and who can't write out of turn. It is as much as all the slots of a
// session have by default: with less some would stay empty, and more can't be under way.
const StreamWindow = 64 << 20

// MaxStream is how long an entry may become whose size is not known, bytes.
const MaxStream = 1 << 62
