//go:build race

package pulsar

const raceDetector = true
