// Package hub puts the rooms of the bridge together: a [Hub] has an upstream, the pools of producers, consumers and
// readers, the census of sessions, and the keeper of what they all wait for. It hands each room what that needs of the
// others, and nothing else: a room knows no other room.
//
// A Hub belongs to who made it, and all that it has is constant: it has no lock. Of its goroutines the keeper, see
// [pool.Keeper], has count; one of them, [census.Registry.Run], lives as long as the Hub.
package hub
