package pulsar

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// DefaultVersion is the release of Apache Pulsar that tests run against unless EnvVersion names another.
const DefaultVersion = "4.0.7"

// EnvVersion names the environment variable that picks the release of Pulsar, such as 2.10.5. Its jars are fetched the first
// time. The Java proxy, ZooKeeper and the tools are of that release, too.
const EnvVersion = "PULSEGATE_TEST_PULSAR_VERSION"

// versionForm is how Pulsar numbers its releases. The number becomes part of a path and an argument.
var versionForm = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[A-Za-z0-9]+)?$`)

// Version is the release of Apache Pulsar that this process runs. The error says that EnvVersion names none.
func Version() (string, error) {
	version := os.Getenv(EnvVersion)
	if version == "" {
		return DefaultVersion, nil
	}
	if !versionForm.MatchString(version) {
		return "", fmt.Errorf("%s: %q is no release of Pulsar, such as %s", EnvVersion, version, DefaultVersion)
	}
	return version, nil
}

// AtLeast reports whether the broker is of a release from major.minor on. It is for what only newer, or older, brokers have.
// EnvVersion has to be right for a cluster that runs outside of this process, too.
func (c *Cluster) AtLeast(major, minor int) bool { return atLeast(major, minor) }

func atLeast(major, minor int) bool {
	version, err := Version()
	if err != nil {
		return false // nothing was started then
	}
	parts := strings.SplitN(version, ".", 3)
	a, _ := strconv.Atoi(parts[0]) // digits only, by versionForm
	b, _ := strconv.Atoi(parts[1])
	return a > major || a == major && b >= minor
}

// HasV1Names reports whether the broker knows names of topics with a cluster in them, property/cluster/namespace/topic, which
// Pulsar 4.2 dropped.
func (c *Cluster) HasV1Names() bool { return !c.AtLeast(4, 2) }
