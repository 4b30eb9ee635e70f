package fakebroker

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/pulsegate/pulsegate/pulsar/wire"
)

// watcherKey is a topic list watcher.
type watcherKey struct {
	conn *Conn
	id   uint64
}

// handleTopics does what a good broker does that has one namespace, and no regard for patterns. mu is held.
func (c *Conn) handleTopics(cmd wire.Command) {
	b := c.Broker
	switch cmd := cmd.(type) {
	case *wire.GetTopics:
		answer := &wire.GetTopicsResponse{RequestID: cmd.RequestID, TopicsHash: hash(b.Topics)}
		if answer.Unchanged = answer.TopicsHash == cmd.TopicsHash; !answer.Unchanged {
			answer.Topics = b.Topics
		}
		c.Send(answer)
	case *wire.WatchTopicList:
		b.watchers[watcherKey{c, cmd.WatcherID}] = struct{}{}
		answer := &wire.WatchTopicListSuccess{RequestID: cmd.RequestID, WatcherID: cmd.WatcherID, TopicsHash: hash(b.Topics)}
		if answer.TopicsHash != cmd.TopicsHash {
			answer.Topics = b.Topics
		}
		c.Send(answer)
	case *wire.WatchTopicListClose:
		delete(b.watchers, watcherKey{c, cmd.WatcherID})
		c.Send(&wire.Success{RequestID: cmd.RequestID})
	}
}

// hash is Pulsar's hash of a list of topics.
func hash(topics []string) string {
	sum := crc32.Checksum([]byte(strings.Join(slices.Sorted(slices.Values(topics)), ",")), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%08x", sum)
}

// CreateTopic adds a topic to Topics and tells the watchers.
func (b *Broker) CreateTopic(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Topics = append(slices.Clip(b.Topics), topic)
	b.tell(&wire.WatchTopicUpdate{NewTopics: []string{topic}})
}

// DeleteTopic takes a topic out of Topics and tells the watchers. Its consumers stay.
func (b *Broker) DeleteTopic(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Topics = slices.DeleteFunc(slices.Clone(b.Topics), func(t string) bool { return t == topic })
	b.tell(&wire.WatchTopicUpdate{DeletedTopics: []string{topic}})
}

// TellWatchers sends any update to all watchers.
func (b *Broker) TellWatchers(news, gone []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell(&wire.WatchTopicUpdate{NewTopics: news, DeletedTopics: gone})
}

func (b *Broker) tell(u *wire.WatchTopicUpdate) {
	u.TopicsHash = hash(b.Topics)
	for k := range b.watchers {
		u.WatcherID = k.id
		k.conn.Send(u)
	}
}

// Watchers counts the topic list watchers.
func (b *Broker) Watchers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.watchers)
}

// forgetWatchers forgets those of a connection. mu is held.
func (b *Broker) forgetWatchers(c *Conn) {
	for k := range b.watchers {
		if k.conn == c {
			delete(b.watchers, k)
		}
	}
}
