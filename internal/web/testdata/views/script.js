// script of the package
