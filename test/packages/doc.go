// Package packages tests what pulsegate is delivered as: the image, the deb and the rpm are built, installed, started and removed
// with the distribution's own tools, and the examples for other programs are checked by those programs. The build tag packages
// marks what needs tools beside Go (see test/tools/deps) and root; charts marks what needs Kubernetes' tools, which take
// minutes to build.
package packages
