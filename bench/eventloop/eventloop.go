// Package eventloop is one thread, one epoll set and one heap of timers: the whole engine of the
// load generator and of the mock upstream. Go's own network poller costs about twice as much a
// request, and the bench must never be the slower side.
package eventloop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Handler is called from the loop alone, so it needs no lock.
type Handler interface {
	Readable()
	Writable()
	Expired() // a timer set with Loop.At has passed
}

const (
	clockMonotonic = 1
	sysEpollPwait2 = 441
	maxEvents      = 512
	slack          = 1_000_000 // ns; timers fire once a millisecond, as in most event loops
)

var (
	origin     = time.Now()
	originNano = readMonotonic()
)

func readMonotonic() int64 {
	var spec syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&spec)), 0)
	return spec.Nano()
}

// Now is CLOCK_MONOTONIC in nanoseconds, equal in every process of the machine.
func Now() int64 { return originNano + int64(time.Since(origin)) }

// Loop is an epoll set with timers.
type Loop struct {
	epoll    int
	handlers []Handler
	timers   heap
	stopped  bool
	coarse   bool
}

// New opens the epoll set. The thread is kept and the garbage collector rests below 1 GiB: the loop
// never tells the Go scheduler that it sleeps, for that costs microseconds at each wake-up.
func New() (*Loop, error) {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 30)
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Loop{epoll: epoll}, nil
}

// Add watches a descriptor for reading.
func (l *Loop) Add(fd int, handler Handler) error {
	for fd >= len(l.handlers) {
		l.handlers = append(l.handlers, make([]Handler, fd+1024)...)
	}
	l.handlers[fd] = handler
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(fd)}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
}

// Writes says whether the descriptor is watched for room to write too.
func (l *Loop) Writes(fd int, wanted bool) {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(fd)}
	if wanted {
		event.Events |= syscall.EPOLLOUT
	}
	_ = syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, fd, &event)
}

// Close forgets and closes a descriptor.
func (l *Loop) Close(fd int) {
	l.handlers[fd] = nil
	_ = syscall.Close(fd)
}

// At calls handler.Expired once, at or after the given Now.
func (l *Loop) At(due int64, handler Handler) { l.timers.push(timer{due, handler}) }

// Stop ends Run after the current round.
func (l *Loop) Stop() { l.stopped = true }

// Run serves events and timers until Stop.
func (l *Loop) Run() error {
	events := make([]syscall.EpollEvent, maxEvents)
	for !l.stopped {
		count, err := l.wait(events)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for i := 0; i < count; i++ {
			l.dispatch(&events[i])
		}
		l.expire()
	}
	return nil
}

func (l *Loop) dispatch(event *syscall.EpollEvent) {
	fd := event.Fd
	if event.Events&syscall.EPOLLOUT != 0 {
		if handler := l.handlers[fd]; handler != nil {
			handler.Writable()
		}
	}
	if event.Events&^uint32(syscall.EPOLLOUT) != 0 {
		if handler := l.handlers[fd]; handler != nil {
			handler.Readable()
		}
	}
}

func (l *Loop) expire() {
	if len(l.timers) == 0 {
		return
	}
	now := Now()
	for len(l.timers) > 0 && l.timers[0].due <= now {
		l.timers.pop().handler.Expired()
	}
}

// wait sleeps to the nanosecond where the kernel can (5.11), else to the millisecond.
func (l *Loop) wait(events []syscall.EpollEvent) (int, error) {
	var spec *syscall.Timespec
	milliseconds := -1
	if len(l.timers) > 0 {
		rest := l.timers[0].due + slack - Now()
		if rest < 0 {
			rest = 0
		}
		value := syscall.NsecToTimespec(rest)
		spec = &value
		milliseconds = int((rest + 999_999) / 1_000_000)
	}
	if l.coarse {
		return syscall.EpollWait(l.epoll, events, milliseconds)
	}
	count, _, errno := syscall.RawSyscall6(sysEpollPwait2, uintptr(l.epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(spec)), 0, 0)
	if errno == syscall.ENOSYS {
		l.coarse = true
		return 0, nil
	}
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

// Read and Write go past the Go scheduler: neither can block on a non-blocking descriptor.
func Read(fd int, into []byte) (int, error) {
	count, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd),
		uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

// Write answers how much was taken; EAGAIN is 0 and no error.
func Write(fd int, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	count, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd),
		uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	if errno == syscall.EAGAIN {
		return 0, nil
	}
	if errno != 0 {
		return 0, errno
	}
	return int(count), nil
}

// Address turns "127.0.0.1:8080" into a socket address; only IPv4 loopback is ever measured.
func Address(text string) (*syscall.SockaddrInet4, error) {
	var a, b, c, d byte
	var port int
	if _, err := fmt.Sscanf(text, "%d.%d.%d.%d:%d", &a, &b, &c, &d, &port); err != nil {
		return nil, fmt.Errorf("%q is no IPv4 address with a port", text)
	}
	if a != 127 {
		return nil, fmt.Errorf("%q is not on the loopback", text)
	}
	return &syscall.SockaddrInet4{Port: port, Addr: [4]byte{a, b, c, d}}, nil
}

// Dial opens a connection; on the loopback it is made at once.
func Dial(address *syscall.SockaddrInet4) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err = syscall.Connect(fd, address); err == nil {
		err = prepare(fd)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

// Listen opens a listening socket.
func Listen(address *syscall.SockaddrInet4) (int, error) {
	kind := syscall.SOCK_STREAM | syscall.SOCK_CLOEXEC | syscall.SOCK_NONBLOCK
	fd, err := syscall.Socket(syscall.AF_INET, kind, 0)
	if err != nil {
		return 0, err
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err = syscall.Bind(fd, address); err == nil {
		err = syscall.Listen(fd, 4096)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

// Accept takes one waiting connection; ok is false when there is none.
func Accept(listener int) (fd int, ok bool) {
	fd, _, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
	if err != nil {
		return 0, false
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd, true
}

func prepare(fd int) error {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
}

// Port says which port a listening socket got.
func Port(fd int) int {
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0
	}
	if inet, is := name.(*syscall.SockaddrInet4); is {
		return inet.Port
	}
	return 0
}

// AppendInt is strconv.AppendInt in base 10.
func AppendInt(to []byte, value int64) []byte { return strconv.AppendInt(to, value, 10) }
