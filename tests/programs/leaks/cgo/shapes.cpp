#include "kept.h"

#include <vector>

namespace
{
struct Shape {
	Shape *next;
	char bytes[504];
};

struct Point {
	char bytes[512];
};

Shape *shapes;
std::vector<Point> points;
} // namespace

extern "C" void leak_shape(void)
{
	shapes = new Shape{shapes, {1}};
}

extern "C" void leak_point(void)
{
	points.push_back(Point{{1}});
}
