// Command devpulsar runs a real Apache Pulsar on this machine until it is interrupted, for trying things out by hand. Its
// data is gone afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pulsegate/pulsegate/test/pulsar"
)

func main() {
	proxy := flag.Bool("proxy", false, "also run the Java WebSocket proxy")
	zookeeper := flag.Bool("zookeeper", false, "also run a ZooKeeper in which the cluster can be looked up")
	level := flag.String("log", "warn", "log4j `level` of the JVMs")
	cache := flag.Bool("cache", false, "print the directory that Pulsar's jars are kept in, and end")
	flag.Parse()
	if *cache {
		dir, err := pulsar.CacheDir()
		if err != nil {
			fmt.Fprintln(os.Stderr, "devpulsar:", err)
			os.Exit(1)
		}
		fmt.Println(dir)
		return
	}
	if err := run(*proxy, *zookeeper, *level); err != nil {
		fmt.Fprintln(os.Stderr, "devpulsar:", err)
		os.Exit(1)
	}
}

func run(proxy, zookeeper bool, level string) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	version, err := pulsar.Version()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "starting Pulsar %s (the first time its jars are fetched, which takes a minute) ...\n", version)
	c, err := pulsar.Start(ctx, pulsar.Options{LogLevel: level})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	fmt.Println("broker:    ", c.BrokerURL())
	fmt.Println("admin API: ", c.AdminURL())
	fmt.Println("cluster:   ", c.ClusterName())
	if proxy {
		p, err := c.StartProxy(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Println("Java proxy:", p.URL())
	}
	if zookeeper {
		z, err := c.StartZooKeeper(ctx)
		if err != nil {
			return err
		}
		data := pulsar.ClusterData{ServiceURL: c.AdminURL(), BrokerServiceURL: c.BrokerURL()}
		if err := z.SetCluster("", c.ClusterName(), data); err != nil {
			return err
		}
		fmt.Println("ZooKeeper: ", z.Addr())
	}
	fmt.Printf("for tests:  export %s='%s'\n", pulsar.EnvCluster, c.Env())
	<-ctx.Done()
	return nil
}
