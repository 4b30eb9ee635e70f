package pulsar

import "github.com/pulsegate/pulsegate/codec"

// notPartitioned is the partition of a topic without partitions.
const notPartitioned = -1

// batchPlace is where in its entry's batch a message is: index -1 stands for
// the whole entry, as does the only place in a batch of one. size is 0 if unknown.
func batchPlace(id *codec.MessageID) (index, size int32) {
	if id.BatchIndex < 0 || id.BatchSize == 1 {
		return -1, 0
	}
	return id.BatchIndex, id.BatchSize
}
