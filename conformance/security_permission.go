package conformance

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

func authorizationCases() Area {
	return Area{Name: "Security: permissions", Cases: []Case{
		{ID: "permission/super-user", Text: "a super-user may do everything", Run: func(t *T) {
			topic, _ := t.Secured()
			c := t.OpenAs(AdminRole, ConsumerPath(topic, "s"))
			t.OpenAs(AdminRole, ProducerPath(topic)).Publish("x")
			c.Take("x")
		}},
		{ID: "permission/none", Text: "a role without permissions may nothing: 403", Run: func(t *T) {
			topic, _ := t.Secured()
			role := t.role()
			for _, target := range everySession(topic) {
				t.RefusedAs(403, notAuthorized, role, target)
			}
		}},
		{ID: "permission/produce", Text: "with produce on the namespace a role may produce, and no more", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["produce"]`)
			t.OpenAs(role, ProducerPath(topic)).Publish("x")
			t.RefusedAs(403, notAuthorized, role, ConsumerPath(topic, "s"))
			t.RefusedAs(403, notAuthorized, role, ReaderPath(topic))
		}},
		{ID: "permission/consume", Text: "with consume on the namespace a role may consume and read, and no more", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["consume"]`)
			c, r := t.OpenAs(role, ConsumerPath(topic, "s")), t.OpenAs(role, ReaderPath(topic))
			t.OpenAs(AdminRole, ProducerPath(topic)).Publish("x")
			c.Take("x")
			r.Take("x")
			t.RefusedAs(403, notAuthorized, role, ProducerPath(topic))
		}},
		{ID: "permission/topic", Text: "a permission on one topic is for that topic alone", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.admin("PUT", "/admin/v2/"+string(topic), "")
			t.admin("POST", "/admin/v2/"+string(topic)+"/permissions/"+role, both)
			t.OpenAs(role, ProducerPath(topic)).Publish("x")
			t.OpenAs(role, ConsumerPath(topic, "s")).Fence()
			t.RefusedAs(403, notAuthorized, role, ProducerPath(t.TopicIn("persistent/"+ns)))
		}},
		{ID: "permission/other-namespace", Text: "a permission on a namespace is for that namespace alone", Run: func(t *T) {
			_, ns := t.Secured()
			other, _ := t.Secured()
			role := t.role()
			t.Allow(ns, role, both)
			t.RefusedAs(403, notAuthorized, role, ProducerPath(other))
		}},
		{ID: "permission/tenant-admin", Text: "a tenant's admin may do everything in its namespaces", Run: func(t *T) {
			role := t.role()
			tenant := fmt.Sprintf("tenant-%s-%d", run, topicNumber.Add(1))
			t.admin("PUT", "/admin/v2/tenants/"+tenant, fmt.Sprintf(`{"adminRoles":[%q],"allowedClusters":["standalone"]}`, role))
			t.admin("PUT", "/admin/v2/namespaces/"+tenant+"/ns", "{}")
			topic := t.TopicIn("persistent/" + tenant + "/ns")
			t.OpenAs(role, ProducerPath(topic)).Publish("x")
			t.OpenAs(role, ConsumerPath(topic, "s")).Fence()
			other, _ := t.Secured()
			t.RefusedAs(403, notAuthorized, role, ProducerPath(other))
		}},
		{ID: "permission/v1", Text: "permissions count on topics of the API's first version", Run: func(t *T) {
			ns := t.v1Namespace()
			role := t.role()
			if t.Endpoint.NoV1Names {
				t.Allow(strings.Replace(ns, "/standalone/", "/", 1), role, `["produce"]`)
			} else {
				t.adminRequest("PUT", "/admin/namespaces/"+ns, "") // it may be there already
				t.admin("POST", "/admin/namespaces/"+ns+"/permissions/"+role, `["produce"]`)
			}
			topic := t.TopicIn("persistent/" + ns)
			t.OpenAs(role, "/ws/producer/"+string(topic)).Publish("x")
			t.RefusedAs(403, notAuthorized, role, "/ws/consumer/"+string(topic)+"/s")
		}},
		{ID: "permission/v1-without-cluster", Text: "where the cluster is taken out of v1 names, the permission on what is opened counts, and no other", Conf: secureWith(v1NamesConf), Skip: noV1Names, Run: func(t *T) {
			topic, ns := t.Secured()
			old := strings.Replace(string(topic), "/public/", "/public/some-cluster/", 1)
			role, namesake := t.role(), t.role()
			t.Allow(ns, role, `["produce"]`)
			if !t.Endpoint.NoV1Names { // one that the name of the old form stood for
				ns = strings.Replace(ns, "public/", "public/standalone/", 1)
				t.admin("PUT", "/admin/namespaces/"+ns, "")
				t.admin("POST", "/admin/namespaces/"+ns+"/permissions/"+namesake, both)
			}
			r := t.OpenAs(AdminRole, ReaderPath(topic))
			t.OpenAs(role, "/ws/producer/"+old).Publish("x")
			r.Take("x")
			t.RefusedAs(403, notAuthorized, role, "/ws/consumer/"+old+"/s")
			t.RefusedAs(403, notAuthorized, namesake, "/ws/producer/"+strings.Replace(old, "some-cluster", "standalone", 1))
			t.RefusedAs(403, notAuthorized, namesake, "/ws/v3/consumer/s?topics="+url.QueryEscape(strings.Replace(old, "/", "://", 1)))
			t.RefusedAs(403, notAuthorized, namesake, "/ws/consumer/"+old+"/s")
		}},
		{ID: "permission/parts", Text: "a permission on a partitioned topic is for its partitions, too", Run: func(t *T) {
			topic, _ := t.Secured()
			role := t.role()
			t.Partition(topic, 2)
			t.admin("POST", "/admin/v2/"+string(topic)+"/permissions/"+role, both)
			t.OpenAs(role, ProducerPath(topic)).Publish("x")
			t.OpenAs(role, ConsumerPath(topic+"-partition-1", "s")).Fence()
		}},
		{ID: "permission/no-parts", Text: "a permission on a topic is not for topics whose names only look like its partitions'", Run: func(t *T) {
			topic, _ := t.Secured()
			role := t.role()
			t.Partition(topic, 2)
			t.admin("POST", "/admin/v2/"+string(topic)+"/permissions/"+role, both)
			for _, suffix := range []string{"007", "+3", "-1", "99999999999", ""} {
				t.RefusedAs(403, notAuthorized, role, ConsumerPath(topic+Topic("-partition-"+url.QueryEscape(suffix)), "s"))
			}
		}},
		{ID: "permission/no-namespace", Text: "what does not exist is 403 to a role without permissions: it learns nothing", Better: "Java answers 500 for a tenant that does not exist", Run: func(t *T) {
			t.RefusedAs(403, notAuthorized, t.role(), ProducerPath(Topic("persistent/public/no-such-namespace/t")))
			t.RefusedAs(403, notAuthorized, t.role(), ProducerPath(Topic("persistent/no-such-tenant/ns/t")))
		}},
		{ID: "permission/subscription", Text: "a subscription that has roles of its own is for them alone", Run: func(t *T) {
			topic, ns := t.Secured()
			owner, other := t.role(), t.role()
			t.Allow(ns, owner, `["consume"]`)
			t.Allow(ns, other, `["consume"]`)
			t.admin("POST", "/admin/v2/namespaces/"+ns+"/permissions/subscription/private", fmt.Sprintf("[%q]", owner))
			t.OpenAs(owner, ConsumerPath(topic, "private", "subscriptionType=Shared")).Fence()
			t.RefusedAs(403, notAuthorized, other, ConsumerPath(topic, "private", "subscriptionType=Shared"))
			t.OpenAs(other, ConsumerPath(topic, "public")).Fence()
		}},
		{ID: "permission/subscription-prefix", Text: "in a namespace of the mode Prefix a subscription's name has to start with the role, else 403", Better: "Java answers 500", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["consume"]`)
			t.admin("POST", "/admin/v2/namespaces/"+ns+"/subscriptionAuthMode", `"Prefix"`)
			t.OpenAs(AdminRole, ConsumerPath(topic, "any")).Fence()
			t.OpenAs(role, ConsumerPath(topic, role+"-1")).Fence()
			t.RefusedAs(403, notAuthorized, role, ConsumerPath(topic, "other"))
		}},
		{ID: "permission/v3-topics", Text: "a session over many topics needs the permission for each", Run: func(t *T) {
			a, ns := t.Secured()
			b, other := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["consume"]`)
			target := "/ws/v3/consumer/s?topics=" + a.Name() + "," + b.Name()
			t.RefusedAs(403, notAuthorized, role, target)
			t.Allow(other, role, `["consume"]`)
			t.Eventually("it counts", func() bool { return t.statusAs(role, target) == 101 })
		}},
		{ID: "permission/v3-pattern", Text: "a pattern needs the permission for the namespace", Better: "the broker refuses Java's own client the list of topics: Client is not authorized to GetTopicsOfNamespace", Run: func(t *T) {
			topic, ns := t.Secured()
			role, topical := t.role(), t.role()
			t.Allow(ns, role, `["consume"]`)
			t.OpenAs(AdminRole, ProducerPath(topic)).Publish("x")
			t.admin("POST", "/admin/v2/"+string(topic)+"/permissions/"+topical, `["consume"]`)
			target := "/ws/v3/consumer/s?topicsPattern=persistent://" + ns + "/.*"
			t.RefusedAs(403, notAuthorized, topical, target)
			c := t.OpenAs(role, target)
			t.OpenAs(AdminRole, ProducerPath(topic)).Publish("y")
			c.TakeAcked("y")
		}},
		{ID: "permission/dead-letter", Text: "a dead letter topic elsewhere needs the permission to produce there", Better: "Java publishes wherever a consumer says", Run: func(t *T) {
			topic, ns := t.Secured()
			victim, _ := t.Secured()
			role := t.role()
			t.Allow(ns, role, both)
			t.OpenAs(role, ConsumerPath(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1")).Fence()
			t.RefusedAs(403, notAuthorized, role, ConsumerPath(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1", "deadLetterTopic="+victim.Name()))
		}},
		{ID: "permission/dead-letter-default", Text: "the dead letter topic that nobody names needs the permission to produce, too", Better: "Java publishes there for a role that may only consume; Pulsar 5 asks", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["consume"]`)
			t.RefusedAs(403, notAuthorized+".*produce.*-s-DLQ", role, ConsumerPath(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1"))
			t.RefusedAs(403, notAuthorized+".*produce.*-s-DLQ", role, "/ws/v3/consumer/s?subscriptionType=Shared&maxRedeliverCount=1&topics="+topic.Name())
			t.admin("PUT", "/admin/v2/"+string(topic)+"-s-DLQ", "")
			t.admin("POST", "/admin/v2/"+string(topic)+"-s-DLQ/permissions/"+role, `["produce"]`)
			t.Eventually("it counts", func() bool {
				return t.statusAs(role, ConsumerPath(topic, "s", "subscriptionType=Shared", "maxRedeliverCount=1")) == 101
			})
		}},
		{ID: "permission/wildcards", Text: "with authorizationAllowWildcardsMatching a * first or last in a role stands for any text", Conf: ecConf, Run: func(t *T) {
			topic, ns := t.Secured()
			name := t.role()
			t.Allow(ns, name+"-*", `["produce"]`)
			t.Allow(ns, "*-"+name, `["consume"]`)
			t.Open(ProducerPath(topic), Bearer(ecToken(name+"-7"))).Publish("x")
			t.Open(ReaderPath(topic), Bearer(ecToken("my-"+name))).Fence()
			t.RefusedWith(403, notAuthorized, Handshake{Target: ReaderPath(topic), Headers: []string{Bearer(ecToken(name + "-7"))}})
			t.RefusedWith(403, notAuthorized, Handshake{Target: ProducerPath(topic), Headers: []string{Bearer(ecToken("my-" + name))}})
		}},
		{ID: "permission/wildcards-off", Text: "without it a * is only a *", Run: func(t *T) {
			topic, ns := t.Secured()
			name := t.role()
			t.Allow(ns, name+"-*", `["produce"]`)
			t.RefusedAs(403, notAuthorized, name+"-7", ProducerPath(topic))
		}},
	}}
}

// statusAs is status with a role's token.
func (t *T) statusAs(role, target string) int {
	c, resp, _ := t.do(Handshake{Target: target, Headers: []string{Bearer(Token(role))}})
	c.Kill()
	return resp.StatusCode
}

func everySession(topic Topic) []string {
	return []string{
		ProducerPath(topic), ConsumerPath(topic, "s"), ReaderPath(topic),
		"/ws/v3/consumer/s?topics=" + topic.Name(), "/ws/v3/consumer/s?topicsPattern=" + topic.Name() + ".*",
	}
}

const noRevocation = "Java looks at permissions when a session is opened, and never again"

// revocationCases are about permissions that change while sessions live.
func revocationCases() Area {
	const away = "Client is not authorized"
	return Area{Name: "Security: permissions that change", Cases: []Case{
		{ID: "revoke/granted", Text: "a permission that is given counts within seconds", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.RefusedAs(403, notAuthorized, role, ProducerPath(topic))
			t.Allow(ns, role, `["produce"]`)
			t.EventuallyWithin(10*time.Second, "it counts", func() bool { return t.statusAs(role, ProducerPath(topic)) == 101 })
		}},
		{ID: "revoke/taken", Text: "a permission that is taken away is gone for new sessions within seconds", Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, `["produce"]`)
			t.OpenAs(role, ProducerPath(topic)).Close()
			t.Revoke(ns, role)
			t.EventuallyWithin(10*time.Second, "it is gone", func() bool { return t.statusAs(role, ProducerPath(topic)) == 403 })
		}},
		{ID: "revoke/producer", Text: "a producer whose permission is taken away is closed with 4006; one of another role beside it goes on", Better: noRevocation, Timeout: 20 * time.Second, Run: func(t *T) {
			topic, ns := t.Secured()
			leaves, stays := t.role(), t.role()
			t.Allow(ns, leaves, both)
			t.Allow(ns, stays, both)
			a, b := t.OpenAs(leaves, ProducerPath(topic)), t.OpenAs(stays, ProducerPath(topic))
			a.Publish("1")
			b.Publish("2")
			t.Revoke(ns, leaves)
			a.ExpectClose(4006, away)
			b.Publish("3")
		}},
		{ID: "revoke/consumer", Text: "a consumer whose permission is taken away is closed with 4006; one of another role on its subscription gets its messages", Better: noRevocation, Timeout: 20 * time.Second, Run: func(t *T) {
			topic, ns := t.Secured()
			leaves, stays := t.role(), t.role()
			t.Allow(ns, leaves, `["consume"]`)
			t.Allow(ns, stays, both)
			a := t.OpenAs(leaves, ConsumerPath(topic, "s", "subscriptionType=Shared"))
			p := t.OpenAs(stays, ProducerPath(topic))
			p.Publish("1")
			a.Take("1")
			b := t.OpenAs(stays, ConsumerPath(topic, "s", "subscriptionType=Shared"))
			t.Revoke(ns, leaves)
			a.ExpectClose(4006, away)
			b.TakeAcked("1")
			p.Publish("2", "3")
			b.TakeAcked("2", "3")
		}},
		{ID: "revoke/reader", Text: "a reader whose permission is taken away is closed with 4006; one of another role on the topic goes on", Better: noRevocation, Timeout: 20 * time.Second, Run: func(t *T) {
			topic, ns := t.Secured()
			leaves, stays := t.role(), t.role()
			t.Allow(ns, leaves, `["consume"]`)
			t.Allow(ns, stays, both)
			a, b := t.OpenAs(leaves, ReaderPath(topic)), t.OpenAs(stays, ReaderPath(topic))
			p := t.OpenAs(stays, ProducerPath(topic))
			p.Publish("1")
			a.Take("1")
			b.Take("1")
			t.Revoke(ns, leaves)
			a.ExpectClose(4006, away)
			p.Publish("2")
			b.Take("2")
		}},
		{ID: "revoke/action", Text: "of two actions the one that is taken away ends its sessions only", Better: noRevocation, Timeout: 20 * time.Second, Run: func(t *T) {
			topic, ns := t.Secured()
			role := t.role()
			t.Allow(ns, role, both)
			p, r := t.OpenAs(role, ProducerPath(topic)), t.OpenAs(role, ReaderPath(topic))
			t.Allow(ns, role, `["produce"]`)
			r.ExpectClose(4006, away)
			p.Publish("x")
		}},
		{ID: "revoke/tenant-admin", Text: "a tenant's admin who is one no more is closed with 4006", Better: noRevocation, Timeout: 20 * time.Second, Run: func(t *T) {
			role := t.role()
			tenant := fmt.Sprintf("tenant-%s-%d", run, topicNumber.Add(1))
			t.admin("PUT", "/admin/v2/tenants/"+tenant, fmt.Sprintf(`{"adminRoles":[%q],"allowedClusters":["standalone"]}`, role))
			t.admin("PUT", "/admin/v2/namespaces/"+tenant+"/ns", "{}")
			p := t.OpenAs(role, ProducerPath(t.TopicIn("persistent/"+tenant+"/ns")))
			p.Publish("x")
			t.admin("POST", "/admin/v2/tenants/"+tenant, `{"adminRoles":[],"allowedClusters":["standalone"]}`)
			p.ExpectClose(4006, away)
		}},
	}}
}
