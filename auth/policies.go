package auth

import (
	"context"
	"net/url"
	"strings"

	"github.com/pulsegate/pulsegate/topic"
)

// Action is what a role may do on a topic. Values are bits.
type Action uint8

// The actions that sessions need.
const (
	Produce Action = 1 << iota
	Consume
)

// actionOf reads Pulsar's name of an action; those that no session needs are 0.
func actionOf(name string) Action {
	switch name {
	case "produce":
		return Produce
	case "consume":
		return Consume
	}
	return 0
}

// roles maps a role to what it may do.
type roles map[string]Action

// policies are what is written about access to one namespace. They are not
// changed once made.
type policies struct {
	namespace     roles
	topics        map[string]roles    // by full name
	subscriptions map[string][]string // roles that may use a subscription; absent: any
	prefix        bool                // a subscription's name must start with the role
}

// API reads the admin API of Pulsar's brokers.
type API interface {
	// AdminGet reads the JSON at a path such as /admin/v2/tenants/public into out.
	// found is false when there is no such thing.
	AdminGet(ctx context.Context, path string, out any) (found bool, err error)
}

// namespacePolicies is the part that matters of GET /admin/v2/namespaces/{tenant}/{namespace}.
type namespacePolicies struct {
	Auth struct {
		Namespace    map[string][]string            `json:"namespace_auth"`
		Topics       map[string]map[string][]string `json:"destination_auth"`
		Subscription map[string][]string            `json:"subscription_auth_roles"`
	} `json:"auth_policies"`
	SubscriptionAuthMode string `json:"subscription_auth_mode"`
}

// readPolicies asks for a namespace, tenant/namespace or, as in the API's first
// version, property/cluster/namespace. One that does not exist has nil policies.
func readPolicies(api API) func(context.Context, string) (*policies, error) {
	return func(ctx context.Context, namespace string) (*policies, error) {
		version := "/admin/v2/namespaces"
		if strings.Count(namespace, "/") == 2 {
			version = "/admin/namespaces"
		}
		path := version
		for part := range strings.SplitSeq(namespace, "/") {
			path += "/" + url.PathEscape(part)
		}
		var answer namespacePolicies
		found, err := api.AdminGet(ctx, path, &answer)
		if err != nil || !found {
			return nil, err
		}
		p := &policies{
			namespace:     rolesOf(answer.Auth.Namespace),
			topics:        make(map[string]roles, len(answer.Auth.Topics)),
			subscriptions: answer.Auth.Subscription,
			prefix:        answer.SubscriptionAuthMode == "Prefix",
		}
		for topic, r := range answer.Auth.Topics {
			p.topics[topic] = rolesOf(r)
		}
		return p, nil
	}
}

func rolesOf(answer map[string][]string) roles {
	r := make(roles, len(answer))
	for role, names := range answer {
		for _, name := range names {
			r[role] |= actionOf(name)
		}
	}
	return r
}

// tenant is what is written about access to a tenant.
type tenant struct {
	Admins []string `json:"adminRoles"`
}

// readTenant asks for a tenant. One that does not exist is nil.
func readTenant(api API) func(context.Context, string) (*tenant, error) {
	return func(ctx context.Context, name string) (*tenant, error) {
		t := &tenant{}
		found, err := api.AdminGet(ctx, "/admin/v2/tenants/"+url.PathEscape(name), t)
		if err != nil || !found {
			return nil, err
		}
		return t, nil
	}
}

// subject is a topic that a permission is asked for.
type subject struct {
	topic.Name

	// pattern: it stands for all topics of the namespace that match. Which those
	// will be is not known beforehand, so only a permission for the whole
	// namespace counts.
	pattern bool
}
