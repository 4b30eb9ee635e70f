// Package config reads websocket.conf, the configuration file of Pulsar's WebSocket
// proxy, extended by the keys of pulsegate.
//
// One table, [Keys], describes every key: its names, default, bounds, explanation and
// effect. Reading, messages, the explained file ([WriteDefaults]) and the listing of
// effective values ([Config.Write]) are all made from it. A value given on the command line overrides
// the environment, the environment the file, and the file the default; an empty value in
// the file means the default, as it does to the Java proxy.
//
// A value that asks for protection that does not exist here, such as an unknown provider, is an error
// and never passed over.
package config
