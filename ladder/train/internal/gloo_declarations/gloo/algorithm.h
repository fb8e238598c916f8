// LibTorch ships c10d's ProcessGroupGloo.hpp without the headers of Gloo that it includes. The
// headers of this folder declare what it names, and nothing of it is called from here.
#pragma once
