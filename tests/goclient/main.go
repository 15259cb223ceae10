// A client that calls a webhook as kube-apiserver does: Go's transport, HTTP/1.1, at most 25 idle connections, kept for
// 90 seconds, and no second try. It sends bursts at a rate, or keeps a number of callers busy, and prints what became of it.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

type result struct {
	Sent    int            `json:"sent"`
	Failed  int            `json:"failed"`
	Dialled int            `json:"dialled"`
	Errors  map[string]int `json:"errors"`
	Seconds float64        `json:"seconds"`
	P50     float64        `json:"p50_ms"`
	P99     float64        `json:"p99_ms"`
	Max     float64        `json:"max_ms"`
}

type counts struct {
	sync.Mutex
	result
	latencies []float64
}

func (c *counts) add(took time.Duration, err error) {
	c.Lock()
	defer c.Unlock()
	c.Sent++
	if err != nil {
		c.Failed++
		c.Errors[err.Error()]++
		return
	}
	c.latencies = append(c.latencies, float64(took.Microseconds())/1000)
}

func (c *counts) dial(dialer *net.Dialer) func(network, address string) (net.Conn, error) {
	return func(network, address string) (net.Conn, error) {
		c.Lock()
		c.Dialled++
		c.Unlock()
		return dialer.Dial(network, address)
	}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// call posts one review and takes nothing but an answer to it for a success.
func call(client *http.Client, url string, body []byte) error {
	response, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	var review struct {
		Response struct {
			UID string `json:"uid"`
		} `json:"response"`
	}
	if err := json.Unmarshal(read, &review); err != nil {
		return err
	}
	if review.Response.UID == "" {
		return fmt.Errorf("an answer without uid")
	}
	return nil
}

func bursts(total, size, rate int, once func()) {
	var wait sync.WaitGroup
	ticker := time.NewTicker(time.Second * time.Duration(size) / time.Duration(rate))
	defer ticker.Stop()
	for sent := 0; sent < total; sent += size {
		<-ticker.C
		for i := 0; i < size; i++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				once()
			}()
		}
	}
	wait.Wait()
}

func busy(callers int, duration time.Duration, once func()) {
	var wait sync.WaitGroup
	end := time.Now().Add(duration)
	for i := 0; i < callers; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for time.Now().Before(end) {
				once()
			}
		}()
	}
	wait.Wait()
}

func main() {
	url := flag.String("url", "", "what to call")
	authority := flag.String("ca", "", "file with the authority to trust, and no other")
	review := flag.String("review", "", "file with the AdmissionReview to send")
	timeout := flag.Duration("timeout", 5*time.Second, "of one call")
	total := flag.Int("total", 0, "calls in bursts")
	size := flag.Int("burst", 25, "calls at once")
	rate := flag.Int("rate", 250, "calls a second")
	callers := flag.Int("callers", 0, "callers that are always busy, instead of bursts")
	duration := flag.Duration("for", 5*time.Second, "how long callers are busy")
	flag.Parse()

	pem, err := os.ReadFile(*authority)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	body, err := os.ReadFile(*review)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	seen := &counts{result: result{Errors: map[string]int{}}}
	client := &http.Client{
		Timeout: *timeout,
		Transport: &http.Transport{
			Dial:                seen.dial(&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}),
			TLSClientConfig:     &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}},
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 25,
			IdleConnTimeout:     90 * time.Second,
		},
	}
	once := func() {
		start := time.Now()
		err := call(client, *url, body)
		seen.add(time.Since(start), err)
	}
	start := time.Now()
	if *callers > 0 {
		busy(*callers, *duration, once)
	} else {
		bursts(*total, *size, *rate, once)
	}
	seen.Seconds = time.Since(start).Seconds()
	sort.Float64s(seen.latencies)
	seen.P50, seen.P99, seen.Max = quantile(seen.latencies, 0.5), quantile(seen.latencies, 0.99), quantile(seen.latencies, 1)
	_ = json.NewEncoder(os.Stdout).Encode(seen.result)
}
