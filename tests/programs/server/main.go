// Command server is an HTTP server with a leak, a bounded cache and much short-lived garbage, and
// the load that drives it: real requests over the loopback interface.
//
//	/login   creates a session; (*sessionStore).create never forgets one: the leak
//	/page    renders a page through an LRU cache of fixed size, which fills and levels off
//	/report  builds a report that is garbage once it is written
//	/debug/pprof/ as net/http/pprof serves it
//
// It ends after -duration, or on SIGTERM or SIGINT, and prints one line of JSON that says what it
// really keeps. It builds with Go 1.15 and every later version.
package main

import (
	"container/list"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	profileSize = 4096
	pageSize    = 8192
)

type session struct {
	token   string
	user    int
	created time.Time
	profile []byte
}

// sessionStore is the leak: sessions come in and none is ever removed.
type sessionStore struct {
	sync.Mutex
	sessions map[string]*session
}

//go:noinline
func (s *sessionStore) create(user int) *session {
	s.Lock()
	defer s.Unlock()
	token := fmt.Sprintf("session-%08d-%08d", user, len(s.sessions))
	created := &session{token: token, user: user, created: time.Now()}
	created.profile = make([]byte, profileSize)
	s.sessions[token] = created
	return created
}

func (s *sessionStore) count() int {
	s.Lock()
	defer s.Unlock()
	return len(s.sessions)
}

type page struct {
	id   int
	body []byte
}

// pageCache keeps the pages that were asked for last, up to a fixed number.
type pageCache struct {
	sync.Mutex
	capacity int
	order    *list.List
	pages    map[int]*list.Element
	rendered int
}

//go:noinline
func (c *pageCache) render(id int) *page {
	p := &page{id: id, body: make([]byte, pageSize)}
	for i := range p.body {
		p.body[i] = byte('a' + (id+i)%26)
	}
	return p
}

func (c *pageCache) get(id int) *page {
	c.Lock()
	defer c.Unlock()
	if element, ok := c.pages[id]; ok {
		c.order.MoveToFront(element)
		return element.Value.(*page)
	}
	p := c.render(id)
	c.rendered++
	c.pages[id] = c.order.PushFront(p)
	if c.order.Len() > c.capacity {
		oldest := c.order.Back()
		delete(c.pages, oldest.Value.(*page).id)
		c.order.Remove(oldest)
	}
	return p
}

func (c *pageCache) counts() (kept, rendered int) {
	c.Lock()
	defer c.Unlock()
	return c.order.Len(), c.rendered
}

//go:noinline
func buildReport(lines int) string {
	var rows []string
	for i := 0; i < lines; i++ {
		rows = append(rows, fmt.Sprintf("%04d: %s", i, strings.Repeat("=", i%60)))
	}
	return strings.Join(rows, "\n")
}

type server struct {
	store *sessionStore
	cache *pageCache
}

func number(r *http.Request, name string) int {
	n := 0
	fmt.Sscanf(r.URL.Query().Get(name), "%d", &n)
	return n
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, s.store.create(number(r, "user")).token)
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	w.Write(s.cache.get(number(r, "id")).body)
}

func (s *server) report(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, buildReport(200))
}

// load asks for pages, reports and logins in turn, at a steady rate, until stop is closed.
type load struct {
	base             string
	interval         time.Duration
	stop             chan struct{}
	requests, failed int64
}

func (l *load) run(worker int, done *sync.WaitGroup) {
	defer done.Done()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	ticker := time.NewTicker(l.interval)
	defer ticker.Stop()
	for i := worker; ; i++ {
		select {
		case <-l.stop:
			client.CloseIdleConnections()
			return
		case <-ticker.C:
		}
		var path string
		switch i % 3 {
		case 0:
			path = fmt.Sprintf("/login?user=%d", i)
		case 1:
			path = fmt.Sprintf("/page?id=%d", (i*7919+worker)%5000)
		default:
			path = "/report"
		}
		response, err := client.Get(l.base + path)
		atomic.AddInt64(&l.requests, 1)
		if err != nil {
			atomic.AddInt64(&l.failed, 1)
			continue
		}
		io.Copy(ioutil.Discard, response.Body)
		response.Body.Close()
	}
}

// kept is what one site still holds at the end, in bytes as the program asked for them.
type kept struct {
	Function string `json:"function"`
	Pattern  string `json:"pattern"`
	Objects  int    `json:"objects_kept"`
	Bytes    int    `json:"bytes_kept"`
}

type truth struct {
	Program        string   `json:"program"`
	Go             string   `json:"go"`
	PID            int      `json:"pid"`
	MemProfileRate int      `json:"mem_profile_rate"`
	Seconds        float64  `json:"seconds"`
	Requests       int64    `json:"requests"`
	Failed         int64    `json:"failed"`
	PagesRendered  int      `json:"pages_rendered"`
	Sites          []kept   `json:"sites"`
	Dumps          []string `json:"dumps"`
	NumGC          uint32   `json:"num_gc"`
	NumForcedGC    uint32   `json:"num_forced_gc"`
	Mallocs        uint64   `json:"mallocs"`
	Frees          uint64   `json:"frees"`
	TotalAlloc     uint64   `json:"total_alloc"`
	HeapAlloc      uint64   `json:"heap_alloc"`
	HeapSys        uint64   `json:"heap_sys"`
	Sys            uint64   `json:"sys"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func writeDump(path string) string {
	file, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(file, 0)
	}
	if err == nil {
		err = file.Close()
	}
	check(err)
	return path
}

func main() {
	address := flag.String("addr", "127.0.0.1:0", "where to listen")
	duration := flag.Duration("duration", 20*time.Second, "how long to run")
	rate := flag.Int("rate", 1500, "requests a second that it sends to itself")
	workers := flag.Int("workers", 8, "goroutines that send them")
	capacity := flag.Int("cache", 1000, "pages that the cache holds")
	heap := flag.String("heap", "", "heap dump at the end, after a collection, into this file")
	every := flag.Duration("heap-every", 0, "plain heap dumps in between, beside -heap: FILE-1, FILE-2 ...")
	flag.Parse()

	s := &server{
		store: &sessionStore{sessions: make(map[string]*session)},
		cache: &pageCache{capacity: *capacity, order: list.New(), pages: make(map[int]*list.Element)},
	}
	http.HandleFunc("/login", s.login)
	http.HandleFunc("/page", s.page)
	http.HandleFunc("/report", s.report)
	listener, err := net.Listen("tcp", *address)
	check(err)
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(os.Stderr, "server: pid %d, listening on %s\n", os.Getpid(), base)
	go http.Serve(listener, nil)

	begin := time.Now()
	l := &load{base: base, stop: make(chan struct{})}
	l.interval = time.Second * time.Duration(*workers) / time.Duration(*rate)
	var done sync.WaitGroup
	for i := 0; i < *workers; i++ {
		done.Add(1)
		go l.run(i, &done)
	}
	dumps := waitAndDump(*duration, *heap, *every)
	close(l.stop)
	done.Wait()

	runtime.GC()
	if *heap != "" {
		dumps = append(dumps, writeDump(*heap))
	}
	pages, rendered := s.cache.counts()
	sessions := s.store.count()
	t := truth{Program: "server", Go: runtime.Version(), PID: os.Getpid(), Dumps: dumps}
	t.MemProfileRate = runtime.MemProfileRate
	t.Seconds = time.Since(begin).Seconds()
	t.Requests, t.Failed, t.PagesRendered = l.requests, l.failed, rendered
	t.Sites = []kept{
		{"main.(*sessionStore).create", "leak", sessions, sessions * profileSize},
		{"main.(*pageCache).render", "bounded", pages, pages * pageSize},
		{"main.buildReport", "short-lived", 0, 0},
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	t.NumGC, t.NumForcedGC = stats.NumGC, stats.NumForcedGC
	t.Mallocs, t.Frees, t.TotalAlloc = stats.Mallocs, stats.Frees, stats.TotalAlloc
	t.HeapAlloc, t.HeapSys, t.Sys = stats.HeapAlloc, stats.HeapSys, stats.Sys
	check(json.NewEncoder(os.Stdout).Encode(t))
	runtime.KeepAlive(s)
}

// waitAndDump returns when the time is over or a signal came, and the names of the dumps that it
// wrote meanwhile.
func waitAndDump(duration time.Duration, heap string, every time.Duration) []string {
	end := time.After(duration)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	var tick <-chan time.Time
	if every > 0 && heap != "" {
		tick = time.NewTicker(every).C
	}
	var dumps []string
	for {
		select {
		case <-end:
			return dumps
		case <-signals:
			return dumps
		case <-tick:
			dumps = append(dumps, writeDump(between(heap, len(dumps)+1)))
		}
	}
}

// between puts a number before the endings of a file's name: heap.pb.gz, heap-1.pb.gz.
func between(path string, n int) string {
	slash := strings.LastIndexByte(path, '/') + 1
	stem, ending := path[slash:], ""
	if dot := strings.IndexByte(stem, '.'); dot >= 0 {
		stem, ending = stem[:dot], stem[dot:]
	}
	return fmt.Sprintf("%s%s-%d%s", path[:slash], stem, n, ending)
}
