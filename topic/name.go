// Package topic takes the names of topics apart, by Pulsar's own rules
// (org.apache.pulsar.common.naming.TopicName of Pulsar 4.0). It is the one place that
// decides whether a name is a partition's: what a role may do and what is then opened
// must be the same topic.
//
// It is pure: no I/O, no state.
package topic

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Name is a topic's full name taken apart: the form in which a name goes from where it is
// read to where it is judged and opened, so that none of these has rules of its own. There are two forms,
// domain://tenant/namespace/topic and, from before Pulsar 2.0,
// domain://property/cluster/namespace/topic: with four parts behind the domain, the
// second is a cluster. The last part may itself have slashes in it.
type Name struct {
	full      string
	domain    string
	namespace string // tenant/namespace or property/cluster/namespace
	cluster   string // "": none
	partition int32  // or NotPartitioned
	whole     int    // length of full without -partition-N
}

// NotPartitioned is what stands for the number of a partition where there is none.
const NotPartitioned = -1

// partitionSuffix is what stands between a topic's name and the number of a partition.
const partitionSuffix = "-partition-"

// ErrInvalid is the kind of all errors of this package.
var ErrInvalid = errors.New("the topic's name is not valid")

// Parse takes a full name apart. The domain may be written in capitals, too; the [Name]
// has small letters. What it refuses wraps [ErrInvalid] and says what is wrong with it; the
// [Name] is not valid then and has the text only. A Name's other texts are parts of the
// full one, which is what was given unless its domain has to be written anew.
func Parse(full string) (Name, error) {
	given, rest, _ := strings.Cut(full, "://")
	domain, ok := Domain(given)
	if !ok {
		return Name{full: full}, fmt.Errorf("%w: %q must begin with persistent:// or non-persistent://", ErrInvalid, full)
	}
	parts := strings.SplitN(rest, "/", 4)
	last := len(parts) - 1
	if last < 2 {
		return Name{full: full}, fmt.Errorf("%w: %q must be %s://tenant/namespace/topic", ErrInvalid, full, domain)
	}
	for _, part := range parts[:last] {
		if !IsNamespacePart(part) {
			return Name{full: full}, fmt.Errorf("%w: in %q, %q is not a valid name of a tenant, cluster or namespace", ErrInvalid, full, part)
		}
	}
	if parts[last] == "" {
		return Name{full: full}, fmt.Errorf("%w: the last part of %q is empty", ErrInvalid, full)
	}
	if given != domain {
		full = domain + "://" + rest
	}
	n := Name{full: full, domain: domain, namespace: rest[:len(rest)-len(parts[last])-1]}
	if len(parts) == 4 {
		n.cluster = parts[1]
	}
	base, partition := SplitPartition(full)
	n.whole, n.partition = len(base), partition
	return n, nil
}

// Domain returns how a domain is written in full names, where Pulsar takes what is given for one.
func Domain(given string) (string, bool) {
	for _, domain := range [...]string{"persistent", "non-persistent"} {
		if strings.EqualFold(given, domain) {
			return domain, true
		}
	}
	return "", false
}

// IsNamespacePart reports whether Pulsar takes a text for the name of a tenant, a cluster
// or a namespace (org.apache.pulsar.common.naming.NamedEntity): not empty, of letters,
// digits and - = : . _ only.
func IsNamespacePart(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return !strings.ContainsRune("-=:._", r)
	})
}

// String is the full name.
func (n Name) String() string { return n.full }

// Valid reports that [Parse] took the name. Of any other, the zero Name among them, String alone means something.
func (n Name) Valid() bool { return n.domain != "" }

// Persistent reports that the topic keeps what is published.
func (n Name) Persistent() bool { return n.domain == "persistent" }

// Namespace is tenant/namespace or property/cluster/namespace.
func (n Name) Namespace() string { return n.namespace }

// Tenant is the first part of the namespace.
func (n Name) Tenant() string {
	tenant, _, _ := strings.Cut(n.namespace, "/")
	return tenant
}

// Cluster is the second part of a name of the old form, else "".
func (n Name) Cluster() string { return n.cluster }

// WithoutCluster is the name of the topic where no name has a cluster in it, as from Pulsar
// 4.2 on: property/namespace/topic for property/cluster/namespace/topic. Names that differ in
// the cluster only become one. A name of the new form stays as it is. What it refuses wraps
// [ErrInvalid]: there a topic's own name cannot hold a slash, as it could not be told from a
// name of the old form.
func (n Name) WithoutCluster() (Name, error) {
	if n.cluster == "" {
		return n, nil
	}
	_, rest, _ := strings.Cut(n.full, "://")
	parts := strings.SplitN(rest, "/", 4)
	if strings.Contains(parts[3], "/") {
		return Name{}, fmt.Errorf("%w: the last part of %q has a slash, which names without a cluster cannot have", ErrInvalid, n.full)
	}
	return Parse(n.domain + "://" + parts[0] + "/" + parts[2] + "/" + parts[3])
}

// Partition is the number of the partition that the name is of, or [NotPartitioned].
func (n Name) Partition() int32 { return n.partition }

// Partitioned is the name of the topic that a partition is of; any other name stays as it is.
func (n Name) Partitioned() string { return n.full[:n.whole] }

// PartitionName is the full name of a topic's partition i, which is 0 or more.
func PartitionName(full string, i int) string {
	return full + partitionSuffix + strconv.Itoa(i)
}

// AppendPartition appends the full name of a partition; [NotPartitioned]: the topic's own.
func AppendPartition(dst []byte, full string, partition int32) []byte {
	if dst = append(dst, full...); partition == NotPartitioned {
		return dst
	}
	return strconv.AppendInt(append(dst, partitionSuffix...), int64(partition), 10)
}

// SplitPartition takes the number off the full name of a partition. A name that is no
// partition's comes back whole, with [NotPartitioned]: one whose number is not written
// as Pulsar would write it (007, +3, -1) or is more than 2,147,483,647. Pulsar takes
// digits of all scripts; here only 0 to 9 count, so that nobody has a permission by a
// name that looks different.
func SplitPartition(full string) (base string, partition int32) {
	at := strings.LastIndex(full, partitionSuffix)
	if at < 0 {
		return full, NotPartitioned
	}
	digits := full[at+len(partitionSuffix):]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		return full, NotPartitioned
	}
	return full[:at], int32(n)
}

// Persistent reports that the topic of a full name keeps what is published, so that its
// message ids are positions.
func Persistent(full string) bool { return !strings.HasPrefix(full, "non-persistent://") }
