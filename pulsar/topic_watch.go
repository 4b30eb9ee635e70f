package pulsar

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pulsegate/pulsegate/pulsar/wire"
	names "github.com/pulsegate/pulsegate/topic"
)

// watchedDiscovery is how often the topics of a namespace are listed although the broker tells of those that come and go, and how often a broker is asked
// to that has refused to.
const watchedDiscovery = 15 * time.Minute

// everyTopic is the pattern that a broker is given: all topics of the namespace. Groups choose among them by their own rules, as a broker may read a pattern
// as RE2 does or as Java, and takes none that is long; and so all groups on a namespace share one watcher.
const everyTopic = ".*"

var (
	errNoWatchers = errors.New("the broker tells nobody of topics")
	// errTopicGone ends an attempt on a topic that is said to be.
	errTopicGone = errors.New("the topic is said to be deleted")
)

// watchKey is which groups share a watcher: a broker may tell each principal of topics of its own.
type watchKey struct{ namespace, principal string }

// topicWatch tells groups with a pattern which topics of a namespace there are. A broker that has topic list watchers tells it of each that comes and goes. Else,
// and once it has a watcher and now and then for what went unnoticed, it lists them. Groups may be told of topics that they know.
//
// It goes through attempts to have a watcher as a [Consumer] does to be connected.
type topicWatch struct {
	client *Client
	watchKey
	groups map[*Group]struct{} // guarded by Client.mu
	again  alarm               // the next attempt
	next   alarm               // the next listing

	mu        sync.Mutex // guards what follows; taken with no other held
	ended     bool
	attempt   uint64
	on        *conn  // that this attempt uses
	id        uint64 // on that
	connected bool   // the broker has the watcher
	wait      backoff
	// hash is the broker's, of the last list that groups were told of, and compared with its next one; "": a topic has come or gone since, or a group
	// has not what it was told of, as news has counted.
	hash string
	news uint64
}

// watchTopics makes g be told of the topics of its namespace until unwatchTopics. Until then g uses its principal. It fails when there are too many of those.
func (c *Client) watchTopics(g *Group) (*topicWatch, error) {
	key := watchKey{g.sel.Namespace, g.o.Principal}
	if err := c.principals.enter(key.principal); err != nil {
		return nil, err
	}
	c.mu.Lock()
	w := c.watches[key]
	first := w == nil
	if first {
		w = &topicWatch{client: c, watchKey: key, groups: map[*Group]struct{}{}}
		w.again.ring, w.next.ring = w.connect, w.list
		c.watches[key] = w
	}
	w.groups[g] = struct{}{}
	c.mu.Unlock()
	if first {
		c.alarms.set(&w.next, partitionDiscovery)
		if !c.service.http { // there is no broker to ask
			w.connect()
		}
	}
	return w, nil
}

func (c *Client) unwatchTopics(g *Group) {
	w := g.watch
	c.mu.Lock()
	_, known := w.groups[g]
	delete(w.groups, g)
	last := known && len(w.groups) == 0
	if last {
		delete(c.watches, w.watchKey)
	}
	c.mu.Unlock()
	if last {
		w.end()
	}
	if known {
		c.principals.leave(w.principal)
	}
}

func (w *topicWatch) end() {
	w.mu.Lock()
	w.ended = true
	on, id := w.on, w.id
	w.on, w.connected = nil, false
	w.mu.Unlock()
	w.client.alarms.clear(&w.again)
	w.client.alarms.clear(&w.next)
	if on != nil {
		on.leaveWatch(id)
	}
}

// each calls f with every group.
func (w *topicWatch) each(f func(*Group)) {
	w.client.mu.Lock()
	list := slices.Collect(maps.Keys(w.groups))
	w.client.mu.Unlock()
	for _, g := range list {
		f(g)
	}
}

// connect begins an attempt.
func (w *topicWatch) connect() {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return
	}
	w.attempt++
	n := w.attempt
	w.mu.Unlock()
	c := w.client
	host, turn := c.serviceHost(&c.service)
	c.pool.get(connKey{broker{host: host, tls: c.service.tls}, w.principal, listings}, func(conn *conn, err error) {
		switch {
		case err != nil:
			c.missed(turn)
			w.failed(n, err)
		case !conn.watchers:
			w.failed(n, errNoWatchers)
		default:
			w.ask(n, conn, turn)
		}
	})
}

// ask asks the broker for the watcher. Its id is a new one each time, as a consumer's is.
func (w *topicWatch) ask(n uint64, c *conn, turn uint32) {
	id := w.client.watchID.Add(1)
	w.mu.Lock()
	if w.attempt != n || w.ended {
		w.mu.Unlock()
		return
	}
	w.on, w.id = c, id
	hash, news := w.hash, w.news
	w.mu.Unlock()
	if err := c.watches.add(id, w); err != nil {
		w.failed(n, err)
		return
	}
	c.request(func(request uint64) wire.Command {
		return &wire.WatchTopicList{RequestID: request, WatcherID: id, Namespace: w.namespace, TopicsPattern: everyTopic, TopicsHash: hash}
	}, func(cmd wire.Command, err error) {
		answer, ok := cmd.(*wire.WatchTopicListSuccess)
		if err == nil && !ok {
			err = unexpected(cmd)
		}
		w.mu.Lock()
		stale := w.attempt != n || w.ended
		if !stale && err == nil {
			w.connected, w.wait = true, backoff{}
		}
		w.mu.Unlock()
		if stale || err != nil {
			w.client.missedIf(err, turn)
			if !errors.Is(err, ErrTooMany) { // else it was not asked
				c.leaveWatch(id) // also if the broker makes it after we stopped waiting
			}
			w.failed(n, err)
			return
		}
		w.tell(answer.Topics, answer.TopicsHash, news)
		w.list() // a broker tells nobody of what comes between its list and the watcher
	})
}

// failed ends an attempt. The next follows; until it has succeeded topics are listed.
func (w *topicWatch) failed(n uint64, err error) {
	w.mu.Lock()
	if w.attempt != n || w.ended {
		w.mu.Unlock()
		return
	}
	if w.on != nil {
		w.on.watches.remove(w.id)
	}
	w.on, w.connected = nil, false
	w.attempt++ // what else this one brings does not matter
	wait := w.wait.next(&w.client.o)
	if isRefusal(err) || errors.Is(err, errNoWatchers) {
		w.wait, wait = backoff{}, watchedDiscovery
	}
	w.mu.Unlock()
	w.client.o.Log.Debug("the broker does not tell of new topics", "namespace", w.namespace, "retry_in", wait, "error", err)
	w.client.alarms.set(&w.again, wait)
	w.client.alarms.set(&w.next, partitionDiscovery)
}

// lost says that the connection is dead.
func (w *topicWatch) lost(c *conn, err error) {
	w.mu.Lock()
	n, mine := w.attempt, w.on == c
	w.mu.Unlock()
	if mine {
		w.failed(n, err)
	}
}

// update takes what a broker says has changed.
func (w *topicWatch) update(c *conn, cmd *wire.WatchTopicUpdate) {
	w.mu.Lock()
	mine := w.on == c && !w.ended
	if mine {
		w.hash = ""
		w.news++
	}
	w.mu.Unlock()
	if mine {
		w.each(func(g *Group) { g.changed(cmd.NewTopics, cmd.DeletedTopics) })
	}
}

// tell tells all groups of a whole list, which is empty if the broker knows that they have it. hash is the broker's of it, "": it has none. It is of no
// use if there was news since the broker was asked.
func (w *topicWatch) tell(list []string, hash string, news uint64) {
	w.mu.Lock()
	if w.news == news {
		w.hash = hash
	}
	w.mu.Unlock()
	w.each(func(g *Group) { g.changed(list, nil) })
}

// forgot says that a group has left a topic that it may find again: the next listing is to be a whole one, and soon.
func (w *topicWatch) forgot() {
	w.mu.Lock()
	w.hash = ""
	w.news++
	w.mu.Unlock()
	w.client.alarms.set(&w.next, partitionDiscovery)
}

// list lists the topics. It is also the alarm that does so.
func (w *topicWatch) list() {
	w.mu.Lock()
	hash, news, ended := w.hash, w.news, w.ended
	w.mu.Unlock()
	if ended {
		return
	}
	w.client.topicsOf(w.namespace, w.principal, hash, func(answer *wire.GetTopicsResponse, err error) {
		switch {
		case err != nil:
			w.client.o.Log.Debug("look for new topics", "namespace", w.namespace, "error", err)
		case !answer.Unchanged:
			w.tell(answer.Topics, answer.TopicsHash, news)
		}
		w.mu.Lock()
		ended, every := w.ended, partitionDiscovery
		if w.connected && err == nil && w.news == news {
			every = watchedDiscovery
		}
		w.mu.Unlock()
		if !ended {
			w.client.alarms.set(&w.next, every)
		}
	})
}

// changed takes the names of topics that there are, of which some may be new, and of some that are gone.
func (g *Group) changed(there, gone []string) {
	for _, topic := range gone {
		g.mu.Lock()
		at := g.parts[topic]
		x := at.consumer()
		g.mu.Unlock()
		if x != nil && x.deleted() {
			g.leave(at, topic)
			x.Close(nil)
		}
	}
	list := g.matching(there)
	g.mu.Lock()
	early := !g.listed
	if early {
		g.early = append(g.early, list...)
	}
	g.mu.Unlock()
	if !early {
		g.join(list, g.fresh)
	}
}

// started says that the first list of topics is being consumed. What was told of meanwhile may not be on it.
func (g *Group) started() {
	g.mu.Lock()
	early := g.early
	g.listed, g.early = true, nil
	g.mu.Unlock()
	g.join(early, g.fresh)
}

// matching are those of topics, or partitions, that the group wants.
func (g *Group) matching(topics []string) (list []member) {
	for _, topic := range topics {
		if base, _ := names.SplitPartition(topic); g.sel.Match(base) {
			list = append(list, member{topic, base})
		}
	}
	return list
}

// deleted takes the news that the topic is gone, and reports that the consumer was open and has no broker: it is to be left.
//
// One that has a broker, or is asking for the first time, is made anew. The news may be old and the topic there again. But a broker that deletes a topic
// while somebody subscribes to it may confirm the consumer and then never send it anything, not even when the topic is created again. A subscription
// that would be lost with its consumer, and cannot be resumed, stays as it is, as what comes meanwhile would be lost, too.
func (x *Consumer) deleted() (adrift bool) {
	x.mu.Lock()
	n, c, id := x.attempt, x.on, x.id
	adrift = x.state == consumerOpen && !x.connected
	precious := x.connected && x.o.NonDurable && x.place == nil
	anew := x.state < consumerClosing && !adrift && c != nil && !precious
	x.mu.Unlock()
	if anew {
		// In this order: a request that is not sent yet may be answered at any time, and from then on its answer is nobody's, who has the consumer closed.
		x.failed(n, errTopicGone)
		c.leave(id)
	}
	return adrift
}

// leaveWatch makes the broker forget a watcher.
func (c *conn) leaveWatch(id uint64) {
	c.watches.remove(id)
	c.dismiss(func(request uint64) wire.Command {
		return &wire.WatchTopicListClose{RequestID: request, WatcherID: id}
	}, func(wire.Command, error) {})
}
