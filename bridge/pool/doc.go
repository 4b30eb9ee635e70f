// Package pool is what the rooms of the bridge share in keeping upstream clients: how many
// are being created at a time ([Keeper.Slot]), how long one stays after its last session
// ([Lease]), who waits for one that leaves ([Keeper.Leaving]), and the goroutines that do so.
// What is in a pool, and who may share it, is the room's to say.
//
// A [Keeper] belongs to the hub, which closes it. Its mutex guards what the Keeper has and is held for a few
// instructions; nothing is locked or called under it, so it may be taken under any lock of a room. Slots
// are channels. A [Lease] has no lock: the mutex of the pool that it is in guards it.
//
// Goroutines: one for each thing that has to wait: the opening of a session, the creation of an
// upstream client, its closing, a question to the upstream. The Keeper counts all of them, and
// [Keeper.Wait] waits for them.
package pool
