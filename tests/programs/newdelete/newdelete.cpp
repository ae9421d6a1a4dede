// C++: objects by new and new[], of which one class is never deleted. Prints what it keeps.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <unistd.h>
#include <vector>

namespace shop
{
class Session
{
      public:
	explicit Session(int number) : id(number)
	{
		page[0] = 'x';
	}
	int id;
	char page[300];
};

static std::vector<Session *> all;

__attribute__((noinline)) void open_session(int id)
{
	all.push_back(new Session(id));
}

__attribute__((noinline)) long borrow(int n)
{
	std::unique_ptr<long[]> numbers(new long[n]);
	long sum = 0;

	for (int i = 0; i < n; i++)
		numbers[i] = i;
	for (int i = 0; i < n; i++)
		sum += numbers[i];
	return sum;
}
} // namespace shop

int main(int argc, char *argv[])
{
	int steps = argc > 1 ? std::atoi(argv[1]) : 1000;
	long sum = 0;

	shop::all.reserve(steps);
	for (int i = 0; i < steps; i++) {
		shop::open_session(i);
		sum += shop::borrow(100 + i % 10);
	}
	return sum ? 0 : 1;
}
